"""The documentation site: Sphinx, read from these pages and from the package's docstrings. It needs no network."""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import cfevents
from cfevents import operations, plot, sinks, storage, testing
from cfevents.testing import faults

sys.path.insert(0, str(Path(__file__).parent))
import picture

project = "cfevents"
author = "The cfevents developers"
project_copyright = author
release = version = cfevents.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click", "sphinx_copybutton"]
exclude_patterns = ["_build"]
nitpicky = True
# Nothing is asked of other projects' sites while this one is built, so what is theirs stays plain text.
nitpick_ignore_regex = [
    ("py:.*", r"(aiohttp|asyncio|attrs?|collections|contextlib|datetime|os|types|typing|yarl)\..*"),
    ("py:.*", r"(pandas|polars|pyarrow)\..*"),
    ("py:class", r"(cfevents\..*\.)?[A-Z]|Axes|Severity"),  # type variables and literals
    ("py:class", r"cfevents\.(storage\.\w+\.SupportsFollow|testing\.simulator\.ClientOptions)"),
]

default_role = "py:obj"
add_module_names = False
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
autodoc_type_aliases = {"Event": "events.Event"}  # by name, not as the union of thirty
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_ivar = False

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
smartquotes = False  # what is shown can be typed: two dashes stay two, straight quotes straight
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_merge_streams = True
copybutton_prompt_text = r"\$ |> "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"

linkcheck_ignore = [r"https?://(127\.0\.0\.1|localhost)[:/]", r"https?://([\w.-]+\.)?example\.com"]
linkcheck_retries = 3

html_theme = "furo"
html_title = f"cfevents {release}"
html_static_path = ["_static"]
html_css_files = ["cfevents.css"]
html_copy_source = False
html_domain_indices = False
html_show_sphinx = False
html_show_copyright = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#b4530a", "color-brand-content": "#a34a06"},
    "dark_css_variables": {"color-brand-primary": "#f6a45c", "color-brand-content": "#f6a45c"},
}

_PUBLIC = {
    f"{thing.__module__}.{thing.__qualname__}": f"{package.__name__}.{name}"
    for package, names in (
        (cfevents, cfevents.__all__),
        (storage, storage.__all__),
        (sinks, sinks.__all__),
        (operations, operations.__all__),
        (plot, plot.__all__),
        (testing, testing.__all__),
        (faults, faults.__all__),
    )
    for name in names
    if hasattr(thing := getattr(package, name), "__qualname__")
}
"""Where a class or function is defined, and where users find it."""
_PUBLIC["events.Event"] = "cfevents.events.Event"

_NOT_CONSTRUCTED_BY_USERS = {"cfevents.Details", "cfevents.EventStream", "cfevents.storage.ArchivedStream"}
_DESCRIBED_BY_A_SENTENCE = {"attribute", "data", "property"}


def _public_reference(app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: Any) -> Any:
    """Lead a reference to the public name; show other words of code as such."""
    target = node["reftarget"]
    if node.get("refdomain") != "py":
        return None
    if public := _PUBLIC.get(target) or _PUBLIC.get(f"cfevents.{target}"):
        domain = env.domains.python_domain
        return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", public, node, contnode)
    # A docstring's `Name` or `a.b` has to lead somewhere; its `word` and `{"a": 1}` may be just code.
    is_name = re.fullmatch(r"[A-Z]\w*|\w+(\.\w+)+", target)
    return contnode if node["reftype"] == "obj" and not is_name else None


def _shown_signature(app: Sphinx, what: str, name: str, *more: Any) -> tuple[str | None, str | None]:
    """Leave out how errors and streams are made, and how attrs spells an empty default."""
    *_, signature, returns = more
    if what == "exception" or name in _NOT_CONSTRUCTED_BY_USERS:
        return "", None
    return signature and signature.replace("=NOTHING", "={}").replace("= NOTHING", "= {}"), returns


def _sentence_kept_whole(app: Sphinx, what: str, *more: Any) -> None:
    """Let napoleon not take a sentence's words before its colon for a type; it does so within one line."""
    lines = more[-1]
    if what in _DESCRIBED_BY_A_SENTENCE and lines:
        lines[:1] = lines[0].replace(": ", ":\n", 1).split("\n")


def _find_attribute_docs() -> None:
    """Let autodoc find the descriptions of fields: it looks for them in the module that a class says it lives in."""
    for real, public in {(_real_module(thing), thing.__module__) for thing in _public_classes()}:
        found, analyzer = ModuleAnalyzer.for_module(real), ModuleAnalyzer.for_module(public)
        for source in (found, analyzer):
            source.analyze()
        analyzer.attr_docs |= found.attr_docs
        analyzer.annotations |= found.annotations
        analyzer.tagorder |= found.tagorder


def _public_classes() -> Iterator[type]:
    packages = (cfevents, storage, operations, plot, testing, faults)
    things = (getattr(package, name) for package in packages for name in package.__all__)
    return (thing for thing in things if isinstance(thing, type))


def _real_module(cls: type) -> str:
    """Return the module whose source defines a class."""
    for name, module in sys.modules.items():
        if name.startswith("cfevents.") and vars(module).get(cls.__name__) is cls:
            source = inspect.getsource(module)
            if re.search(rf"^class {cls.__name__}\b", source, re.MULTILINE):
                return name
    raise LookupError(cls)


def _described(app: Sphinx, what: str, name: str, *more: Any) -> None:
    """Warn of a field without a description, which the reference would show by its name alone."""
    if what == "attribute" and name.startswith("cfevents.") and not any(more[-1]):
        logging.getLogger(__name__).warning("%s has no description", name)


class Layers(SphinxDirective):
    """Put the picture of the layers where ``{layers}`` stands."""

    def run(self) -> list[nodes.Node]:
        """Draw it."""
        return [nodes.raw("", picture.draw(picture.layers()), format="html")]


def _example_as_typed(app: Sphinx, ctx: Any, lines: list[str]) -> None:
    """Show the examples with which a command's help ends as what is typed."""
    if lines:
        typed = [f"   $ {command}" for line in lines if (command := line.strip("| ")) not in {"", "Example:"}]
        lines[:] = ["Example:", "", ".. code-block:: console", "", *typed, ""]


def _stars_as_typed(app: Sphinx, ctx: Any, lines: list[str]) -> None:
    """Show the stars of patterns and of crontab lines as they are: to reStructuredText, one begins an emphasis."""
    lines[:] = [re.sub(r"(?<!\*)\*(?!\*)", r"\\*", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Connect the hooks."""
    app.add_directive("layers", Layers)
    app.connect("missing-reference", _public_reference)
    app.connect("autodoc-process-signature", _shown_signature)
    app.connect("autodoc-process-docstring", _sentence_kept_whole, priority=400)
    app.connect("autodoc-process-docstring", _described)
    _find_attribute_docs()
    app.connect("sphinx-click-process-epilog", _example_as_typed)
    app.connect("sphinx-click-process-description", _stars_as_typed)
    app.connect("sphinx-click-process-options", _stars_as_typed)
