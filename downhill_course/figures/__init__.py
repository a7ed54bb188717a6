"""Pictures that only one chapter draws, a module a chapter; what any reader may draw stands in `optlib.view`."""
