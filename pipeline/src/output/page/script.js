// Sorting, filtering and hovering. Everything can be read without.
(() => {
  document.documentElement.classList.add('scripted');
  const value = (row, column) => {
    const cell = row.cells[column];
    const data = cell && cell.querySelector('data');
    const text = cell ? cell.textContent.trim() : '';
    return data ? Number(data.value) : text;
  };
  for (const table of document.querySelectorAll('table')) {
    const body = table.tBodies[0];
    if (!body || body.rows.length < 3) continue;
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      heading.dataset.sortable = '';
      heading.tabIndex = 0;
      let ascending = false;
      const sort = () => {
        ascending = !ascending;
        const sign = ascending ? 1 : -1;
        const rows = [...body.rows].sort((a, b) => {
          const [x, y] = [value(a, column), value(b, column)];
          // What is missing stays last.
          if (x === '—' || y === '—') return (x === '—') - (y === '—');
          return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y)));
        });
        for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
        heading.setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
        body.append(...rows);
      };
      heading.addEventListener('click', sort);
      heading.addEventListener('keydown', event => event.key === 'Enter' && sort());
    });
  }
  for (const input of document.querySelectorAll('input.filter')) {
    input.addEventListener('input', () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of document.getElementById(input.dataset.table).tBodies[0].rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every(word => text.includes(word));
      }
    });
  }
  // One architecture, or one budget, wherever it is drawn.
  const marks = new Map();
  for (const mark of document.querySelectorAll('[data-of]')) {
    const list = marks.get(mark.dataset.of) || [];
    list.push(mark);
    marks.set(mark.dataset.of, list);
  }
  const light = on => event => {
    const mark = event.target.closest && event.target.closest('[data-of]');
    for (const other of (mark && marks.get(mark.dataset.of)) || []) other.classList.toggle('hot', on);
  };
  document.addEventListener('mouseover', light(true));
  document.addEventListener('mouseout', light(false));
})();
