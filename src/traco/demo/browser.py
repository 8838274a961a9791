"""Pictures of the explorer, taken by a browser without a window, where there is one."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZE: Final = "1280,1600"
LOADING_MS: Final = 8_000  # of the page's own clock, which runs ahead while nothing is awaited
SECONDS: Final = 60.0


def find_browser() -> str | None:
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def take_picture(browser: str, url: str, path: Path) -> bool:
    """Save what a page looks like; whether that was possible."""
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser, "--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run", f"--user-data-dir={profile}",
            f"--window-size={SIZE}", f"--virtual-time-budget={LOADING_MS}", f"--screenshot={path.resolve()}",
            *(["--no-sandbox"] if os.geteuid() == 0 else []), url,
        ]  # fmt: skip
        try:
            subprocess.run(command, check=False, capture_output=True, timeout=SECONDS)  # noqa: S603
        except (OSError, subprocess.TimeoutExpired):
            return False
    return path.exists()
