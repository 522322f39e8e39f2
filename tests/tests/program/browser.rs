//! A real browser without a window: what it makes of a page, and what it complains of.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use tempfile::TempDir;

/// Programs that a browser may be called by, besides what the environment says.
const NAMES: [&str; 6] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];
/// Names a browser to take in their place.
const CHOSEN: &str = "CHROME";

/// What a page is in a browser, after its scripts ran and everything on it that can be used was used.
#[derive(Debug, Deserialize)]
pub(crate) struct Seen {
    /// Width of the content, and of the window.
    pub(crate) content: f64,
    pub(crate) window: f64,
    /// Value, pointer and text of each number.
    pub(crate) numbers: Vec<(String, String, String)>,
    /// Texts with digits that are no number of the report, no code and no axis.
    pub(crate) strays: Vec<String>,
    /// Of each plot: where its marks lie (x, y), and what they stand for.
    pub(crate) plots: Vec<Vec<[f64; 4]>>,
    pub(crate) headings: Vec<String>,
    /// Pictures without a name, ids that are there twice, links to nowhere.
    pub(crate) faults: Vec<String>,
    /// Errors of scripts.
    pub(crate) errors: Vec<String>,
    /// The `r_s` of the budgets, after their column was sorted by a click, and by another one; none of a page without.
    pub(crate) sorted: [Vec<f64>; 2],
    /// Rows of the architectures that a word leaves, of so many.
    pub(crate) filtered: (usize, usize),
    /// Marks that light up where the first of them is pointed at.
    pub(crate) hot: usize,
}

/// Reads the page in a frame of its own width, and writes what it is into the document.
const READER: &str = r"
const frame = document.querySelector('iframe');
const errors = [];
const read = () => {
  const d = frame.contentDocument, w = frame.contentWindow;
  const all = what => [...d.querySelectorAll(what)];
  const texts = [];
  const walker = d.createTreeWalker(d.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, text = node.textContent.trim();
    if (/[0-9]/.test(text) && !node.parentElement.closest('data, code, svg, style, script, h1, .index, .stamp, .key, th, h3, option'))
      texts.push(text);
  }
  const content = d.documentElement.scrollWidth;
  const numbers = all('data').map(e => [e.value, e.dataset.at, e.textContent]);
  const plots = all('svg').map(s => [...s.querySelectorAll('circle[data-x]')].map(c =>
    ['cx', 'cy'].map(a => Number(c.getAttribute(a))).concat([Number(c.dataset.x), Number(c.dataset.y)])));
  const ids = all('[id]').map(e => e.id);
  const faults = ids.filter((id, place) => ids.indexOf(id) !== place)
    .concat(all('svg[role=img]:not([aria-label]), img:not([alt])').map(e => e.outerHTML.slice(0, 80)))
    .concat(all('a[href^=\\#]').filter(a => !d.getElementById(a.hash.slice(1))).map(a => a.hash))
    .concat(all('[src], link, a[href^=http]').filter(e => !String(e.src).startsWith('data:')).map(e => e.outerHTML.slice(0, 80)));
  const budgets = d.getElementById('budget-table');
  const column = budgets ? [...budgets.tHead.rows[0].cells].findIndex(cell => cell.textContent === 'r_s') : -1;
  const values = () => [...budgets.tBodies[0].rows].map(row => row.cells[column].querySelector('data')).filter(Boolean)
    .map(e => Number(e.value));
  const sorted = !budgets ? [[], []] : [0, 1].map(() => { budgets.tHead.rows[0].cells[column].click(); return values(); });
  const architectures = d.getElementById('architectures');
  const rows = architectures ? [...architectures.tBodies[0].rows] : [];
  const filter = d.querySelector('input[data-table=architectures]');
  let left = rows.length;
  if (filter) {
    filter.value = rows[0].textContent.slice(-12);
    filter.dispatchEvent(new w.Event('input'));
    left = rows.filter(row => !row.hidden).length;
  }
  const first = d.querySelector('circle[data-of]');
  first.dispatchEvent(new w.MouseEvent('mouseover', { bubbles: true }));
  const hot = all('.hot').length;
  const seen = { content, window: w.innerWidth, numbers, strays: texts, plots: plots.filter(p => p.length), faults, errors,
    headings: all('h2').map(e => e.textContent), sorted, filtered: [left, rows.length], hot };
  document.getElementById('seen').textContent =
    JSON.stringify(seen).replace(/[<>&]/g, c => '\\u00' + c.charCodeAt(0).toString(16));
};
frame.addEventListener('load', () => {
  try { read(); } catch (error) { document.getElementById('seen').textContent = 'failed: ' + error.stack; }
});
";

/// The browser, or what to do where there is none.
fn browser() -> PathBuf {
    let chosen = std::env::var_os(CHOSEN).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let named = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    chosen.into_iter().chain(named).find(|program| program.is_file()).unwrap_or_else(|| {
        panic!(
            "no browser: install chromium (`scripts/setup.sh tests` does on Debian), or name one in {CHOSEN}"
        )
    })
}

/// A text as an attribute of HTML has it.
fn attribute(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '<' => escaped.push_str("&lt;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Opens a page at a width, in light or in dark.
pub(crate) fn seen(page: &Path, width: u32, is_dark: bool) -> Seen {
    let folder = TempDir::new().unwrap();
    // Errors of the page's own scripts are told by a handler that is there before them.
    let handler = "<script>addEventListener('error', e => parent.errors.push(e.message))</script>";
    let text = fs::read_to_string(page).unwrap().replacen("<head>", &format!("<head>{handler}"), 1);
    let mut wrapper = String::new();
    let _ = write!(
        wrapper,
        "<!doctype html><meta charset=utf-8><pre id=seen></pre><iframe style='width:{width}px;height:900px;border:0' \
         srcdoc=\"{}\"></iframe><script>var {}</script>",
        attribute(&text),
        READER.trim_start().replacen("const frame", "frame", 1).replacen("const errors", "var errors", 1),
    );
    let file = folder.path().join("wrapper.html");
    fs::write(&file, wrapper).unwrap();
    let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!is_dark));
    let output = Command::new(browser())
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--enable-logging=stderr",
        ])
        .args([
            "--no-first-run",
            "--virtual-time-budget=20000",
            "--window-size=1600,1000",
            &scheme,
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let (dom, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "the browser complains: {console:?}");
    let found = dom.split_once("<pre id=\"seen\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let (found, _) = found.unwrap_or_else(|| panic!("the browser shows nothing: {dom} {log}"));
    serde_json::from_str(found).unwrap_or_else(|error| panic!("{error}: {found} {log}"))
}
