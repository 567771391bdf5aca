from models.fixtures import hub  # noqa: F401 - a fixture for this folder
