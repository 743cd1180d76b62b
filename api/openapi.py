"""`python -m api.openapi`: print the API's OpenAPI description as JSON, without a running server.

Settings have their defaults and the environment is not read, so the output depends on the code alone.
`make client` generates the dashboard's types from it.
"""

import json
from typing import Any

from api.app import create_app
from api.services import make_services
from pricing.policy import default_policy
from settings import Settings


def description() -> dict[str, Any]:
    """The OpenAPI document. No connection is made: nothing here starts the services."""
    settings = Settings.model_construct()
    app = create_app(make_services(settings, default_policy()), settings.api_key_header, [])
    return app.openapi()


def main() -> None:
    """Print the document with sorted keys, so that equal code gives equal bytes."""
    print(json.dumps(description(), indent=1, sort_keys=True))


if __name__ == "__main__":
    main()
