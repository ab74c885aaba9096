"""The report as one static HTML page: tables to sort, where each figure comes from, and the images to look at.

The page needs no server and no network: a browser opens it from the file system. Its public face:

- `write_page`: the page and its thumbnails into one folder
"""

from reports.page.build import write_page

__all__ = ["write_page"]
