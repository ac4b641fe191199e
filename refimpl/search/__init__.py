"""Retrieval through Milvus: the store, exact search, fusion, runs over test collections and their validation."""
