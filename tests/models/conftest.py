from models.fixtures import hub, hub_in_process  # noqa: F401 - fixtures for this folder
