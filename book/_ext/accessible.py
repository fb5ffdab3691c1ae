"""HTML that the theme and docutils leave inaccessible: headers of no column, roles of a list."""

from docutils import nodes
from sphinx.writers.html5 import HTML5Translator


def visit_entry(translator, node):
    """A header without words is an ordinary cell, as in the corner of a table."""
    HTML5Translator.visit_entry(translator, node)
    in_head = isinstance(node.parent.parent, nodes.thead)
    if in_head and not node.astext().strip():
        translator.body[-1] = translator.body[-1].replace("<th", "<td", 1)
        translator.context[-1] = "</td>\n"


def visit_citation(translator, node):
    """An item of the list of citations, which docutils gives a role that lists may not hold."""
    HTML5Translator.visit_citation(translator, node)
    translator.body[-1] = translator.body[-1].replace("doc-biblioentry", "listitem")


def setup(app):
    entry = visit_entry, HTML5Translator.depart_entry
    citation = visit_citation, HTML5Translator.depart_citation
    app.add_node(nodes.entry, override=True, html=entry)
    app.add_node(nodes.citation, override=True, html=citation)
    app.add_js_file("accessible.js", loading_method="defer")
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
