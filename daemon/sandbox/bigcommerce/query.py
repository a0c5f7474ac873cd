"""BigCommerce's parameters, refused with 422 in v3 and 400 in v2 (bigcommerce.md section 11), and what a page tells."""

from daemon.sandbox import query
from daemon.sandbox.bigcommerce.problems import invalid
from daemon.sandbox.query import Filters, seconds, span

__all__ = ["Filters", "Parameters", "pagination", "seconds", "span"]


class Parameters(query.Parameters):
    """The parameters of one request, refused as in v3 unless told otherwise."""

    def __init__(self, text: str, refusal: query.Refusal = invalid) -> None:
        super().__init__(text, refusal)


def pagination(total: int, page: int, limit: int, count: int) -> dict[str, object]:
    """Return the `meta` of a page (bigcommerce.md section 2)."""
    pages = -(-total // limit)
    links = {"current": f"?page={page}&limit={limit}"}
    if page > 1:
        links["previous"] = f"?page={page - 1}&limit={limit}"
    if page < pages:
        links["next"] = f"?page={page + 1}&limit={limit}"
    return {
        "pagination": {
            "total": total,
            "count": count,
            "per_page": limit,
            "current_page": page,
            "total_pages": pages,
            "links": links,
        }
    }
