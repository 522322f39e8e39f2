"""Many small records pushed into a share and pulled from it, beside DVC's push and pull of as many files.

    share.py [--records N] [--folder DIR] [--program FILE] [--dvc COMMAND]

Runs the example `share` of the workspace (cargo build --release --workspace --example share) with a folder and with a bucket
of a server on this machine, then DVC in a repository of its own over the files that the example left: `dvc add`, `dvc push` to
a folder, and, after its cache is gone, `dvc pull`. All on the same disk, one after the other. DVC: pip install dvc.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

# The kinds of shares.
KINDS = ["folder", "bucket"]


def timed(command: list[str], folder: Path) -> float:
    """Seconds that a command takes."""
    begun = time.perf_counter()
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=environment)
    return time.perf_counter() - begun


def measure_dvc(dvc: str, folder: Path) -> dict[str, float]:
    """DVC's seconds for the same steps, over the files below `folder`."""
    repository, remote = folder / "dvc", folder / "remote"
    repository.mkdir()
    shutil.move(folder / "files", repository / "files")
    timed([dvc, "init", "--no-scm"], repository)
    timed([dvc, "remote", "add", "-d", "team", str(remote)], repository)
    found = {"add": timed([dvc, "add", "files"], repository)}
    found["push"] = timed([dvc, "push"], repository)
    found["push_again"] = timed([dvc, "push"], repository)
    shutil.rmtree(repository / ".dvc" / "cache")
    shutil.rmtree(repository / "files")
    found["pull"] = timed([dvc, "pull"], repository)
    found["pull_again"] = timed([dvc, "pull"], repository)
    return found


def measure(program: Path, kind: str, records: int, folder: Path) -> dict:
    """What the example finds with a share of this kind."""
    folder.mkdir()
    command = [str(program), kind, str(records), str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measures all and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    target = Path(os.environ.get("CARGO_TARGET_DIR", Path.home() / ".cache" / "nas-pipeline" / "target"))
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where to work [default: a temporary folder]")
    parser.add_argument("--program", type=Path, default=target / "release" / "examples" / "share")
    parser.add_argument("--dvc", default="dvc")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        ours = {kind: measure(arguments.program, kind, arguments.records, folder / kind) for kind in KINDS}
        dvc = measure_dvc(arguments.dvc, folder / "folder")
    print(f"{arguments.records:,} records or files of about 700 bytes; seconds, and requests to the bucket\n")
    print(f"{'':12}{'folder':>10}{'dvc':>10}{'times':>8}{'bucket':>10}  requests")
    for step in ["push", "push_again", "pull", "pull_again"]:
        seconds = {kind: ours[kind]["steps"][step]["seconds"] for kind in KINDS}
        ratio = dvc[step] / max(seconds["folder"], 0.01)
        requests = ours["bucket"]["steps"][step]["requests"]
        asked = ", ".join(f"{count:,} {method}" for method, count in requests.items())
        name = step.replace("_", " ")
        print(f"{name:12}{seconds['folder']:>10.2f}{dvc[step]:>10.2f}{ratio:>8.1f}{seconds['bucket']:>10.2f}  {asked}")
    print(f"dvc add before: {dvc['add']:.2f}\n\nmicroseconds of a look-up{'folder':>17}{'bucket':>10}")
    for key, text in [
        ("hit_local", "found in the own folder"),
        ("hit_share", "found in the share, and kept"),
        ("miss", "not there, without a share"),
        ("miss_with_share", "not there, with a share"),
    ]:
        found = [ours[kind]["microseconds"][key] for kind in KINDS]
        print(f"  {text:32}{found[0]:>8.1f}{found[1]:>10.1f}")


if __name__ == "__main__":
    main()
