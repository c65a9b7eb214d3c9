"""Which settings of the log are in force."""

import logging
from collections.abc import Mapping
from typing import Any

from proffer.app import App, Settings
from proffer.core.errors import Invalid

logger = logging.getLogger("proffer.engine")


def settings_in_force(app: App, values: Mapping[str, Any]) -> Settings:
    """Return the settings whose members the application can take; one that names what is gone is left out."""
    try:
        return app.settings(values)
    except Invalid as error:
        logger.warning("the settings of the log do not all fit the application: %s", error)
    kept: dict[str, Any] = {}
    for name, value in values.items():
        try:
            app.settings({name: value})
            kept[name] = value
        except Invalid:
            logger.warning("settings.%s is left out", name)
    return app.settings(kept)
