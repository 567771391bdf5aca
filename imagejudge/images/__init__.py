"""Finding, reading and decoding images: from paths to pictures."""
