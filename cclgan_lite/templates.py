"""Pages and tables: jinja2 templates in a folder `templates/` beside the code that fills them."""

from __future__ import annotations

from functools import cache

import jinja2


@cache
def template(package: str, name: str) -> jinja2.Template:
    """The file `name` of the folder `templates` of `package`; in HTML, all values are escaped."""
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=jinja2.select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return pages.get_template(name)
