"""The site: pages of ``docs`` and of the repository around them, for MkDocs.

``links`` says where a file of the repository is found in the site, ``pages`` makes the pages that
no file of ``docs`` is, ``tutorials`` runs the tutorials, and ``hooks`` hands all that to MkDocs,
which no other module knows. ``roles`` turns the references in docstrings into links.
"""
