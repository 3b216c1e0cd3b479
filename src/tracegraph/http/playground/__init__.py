"""The playground: GraphiQL for a browser, with all of its files in this package."""
