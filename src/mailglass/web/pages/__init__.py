"""One module a page, each with `routes(site)`."""
