#!/usr/bin/env python3
"""run.py unit|browser|server: the tests of the page. Exit status 77 when a program they need is missing.

unit     Markdown, events, conversations and settings, in Node without a browser
browser  the page in headless Chromium, driven by playwright-core
server   the same with the real program, ISSUN_BINARY, and the model that comes with it
"""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77
CHROMIUM = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]


def skip(missing):
    print(f"skipped: no {missing}")
    sys.exit(SKIPPED)


def node_version(node):
    try:
        text = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
        return int(text.strip().lstrip("v").split(".")[0])
    except (OSError, ValueError):
        return 0


def main():
    part = sys.argv[1] if len(sys.argv) == 2 else ""
    if part not in ("unit", "browser", "server"):
        print(__doc__, file=sys.stderr)
        return 2
    node = shutil.which("node")
    if not node or node_version(node) < 18:
        skip("node of version 18 or later")
    if part == "unit":
        tests = ["unit_data.mjs", "unit_events.mjs", "unit_markdown.mjs"]
    else:
        chosen = os.environ.get("ISSUN_CHROMIUM")
        if not any(os.path.exists(path) for path in ([chosen] if chosen else CHROMIUM)):
            skip("chromium")
        if not os.path.isdir(os.path.join(HERE, "node_modules", "playwright-core")):
            skip("playwright-core (npm ci in tests/page)")
        tests = [f"test_{part}.mjs"]
    return subprocess.run([node, "--test", *tests], cwd=HERE).returncode


if __name__ == "__main__":
    sys.exit(main())
