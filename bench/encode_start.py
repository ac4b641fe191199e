"""One library in a fresh process: `python bench/encode_start.py LIBRARY TEXT` prints its first vector's beginning."""

import sys

MAX_LENGTH = 256

if __name__ == "__main__":
    library, text = sys.argv[1:]
    if library == "refimpl":
        from refimpl import MiniLMEmbeddingFunction

        vector = MiniLMEmbeddingFunction(max_length=MAX_LENGTH).encode_queries([text])[0]
    else:
        from sentence_transformers import SentenceTransformer

        from refimpl import models

        model = SentenceTransformer(str(models.path("all-MiniLM-L6-v2")), device="cpu", local_files_only=True)
        vector = model.encode([text], normalize_embeddings=True)[0]
    print(*vector[:4])
