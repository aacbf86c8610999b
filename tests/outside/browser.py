"""Debian's Chromium, with the status page of a running kigeon in it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Self

import pytest
from axe_selenium_python import Axe
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By

from tests.support.processes import wait_until

PHONE = (390, 844)
DESKTOP = (1280, 900)


class Browser:
    """A context manager."""

    def __init__(self, url: str, size: tuple[int, int] = DESKTOP, scheme: str = "light", scripts: bool = True) -> None:
        self._url = url
        self._size = size
        self._scheme = scheme
        self._scripts = scripts

    def __enter__(self) -> Self:
        driver, program = shutil.which("chromedriver"), shutil.which("chromium")
        if driver is None or program is None:
            pytest.fail("there is no chromium: apt-get install chromium chromium-driver")
        options = ChromeOptions()
        options.binary_location = program
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--lang=en"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = Chrome(options, Service(driver))
        width, height = self._size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = [{"name": "prefers-color-scheme", "value": self._scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not self._scripts})
        self.driver.get(self._url)
        return self

    def __exit__(self, *error: object) -> None:
        self.driver.quit()

    def text(self, selector: str = "body") -> str:
        """Return what is written somewhere."""
        return str(self.driver.find_element(By.CSS_SELECTOR, selector).text)

    def wait_for(self, text: str, selector: str = "body") -> None:
        """Return when *text* is written somewhere."""
        wait_until(lambda: text in self.text(selector), 30, f"{text!r} on the page")

    def wait_for_none(self, selector: str) -> None:
        """Return when there is no such element."""
        wait_until(lambda: not self.count(selector), 30, f"no {selector} on the page")

    def count(self, selector: str) -> int:
        """Return how many such elements there are."""
        return len(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def type(self, selector: str, text: str) -> None:
        """Type *text* somewhere."""
        self.driver.find_element(By.CSS_SELECTOR, selector).send_keys(text)

    def press(self, key: str) -> None:
        """Press a key, wherever the focus is."""
        ActionChains(self.driver).send_keys(key).perform()

    def ask(self, script: str) -> Any:
        """Return what a script returns."""
        return self.driver.execute_script(script)

    def complaints(self) -> list[str]:
        """Return what axe finds wrong with the page's accessibility, its contrast among it."""
        axe = Axe(self.driver)
        axe.inject()
        return [f"{found['id']}: {found['nodes'][0]['html']}" for found in axe.run()["violations"]]

    def errors(self) -> list[str]:
        """Return what the browser complains of: a policy that is broken, something that is not found."""
        return [line["message"] for line in self.driver.get_log("browser") if line["level"] == "SEVERE"]

    def save(self, path: Path) -> None:
        """Save a picture of the whole page."""
        height = self.ask("return document.documentElement.scrollHeight")
        metrics = {"width": self._size[0], "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        path.write_bytes(self.driver.get_screenshot_as_png())
