"""Sphinx's configuration of the site; `build.py` lays out the pages."""

project = "cclgan_lite"
author = "the cclgan_lite maintainers"
html_title = "CCLGAN: a course in removing rain"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
nb_execution_mode = "off"  # the lessons' stored outputs are shown
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
default_role = "code"  # docstrings mark code with single backticks
autodoc_typehints = "none"  # the signature says them
suppress_warnings = ["myst.header"]  # lessons may skip a level of headings
exclude_patterns = ["*.py"]

html_theme = "sphinx_book_theme"
html_favicon = "static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system
html_static_path = ["static"]
html_css_files = ["book.css"]
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # it fetches pages, which a browser forbids in a folder
html_theme_options = {"use_download_button": False, "use_fullscreen_button": False,
                      "show_navbar_depth": 1, "navbar_persistent": []}  # fmt: skip
mathjax_path = "mathjax/tex-chtml.js"  # from npm: nothing comes from elsewhere
