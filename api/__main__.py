"""`python -m api`: serve the API as the environment configures it."""

import os
import signal
import sys
import traceback

import telemetry
from api.app import create_app
from api.pricing.price_cache import CachedPrices
from api.services import make_services
from api.web.prefix import UnderPrefix
from api.web.server import listen, serve
from core.errors import SettingsError
from settings import Settings, exit_bad_setting, load_settings


def main() -> None:
    """Serve until SIGTERM or SIGINT. Ends with one line and a status other than 0 for a bad setting or port."""
    try:
        settings = load_settings()
        if settings.admin_api_key is None:
            description = Settings.model_fields["admin_api_key"].description
            raise SettingsError(f"ADMIN_API_KEY must be set; it takes {description}")
        policy = settings.load_policy()
    except SettingsError as error:
        exit_bad_setting(error)
    telemetry.configure_logging(settings.log_level, settings.log_format)
    try:
        listener = listen(settings.api_host, settings.api_port)
    except OSError as error:
        print(f"pricewax: API_PORT {settings.api_port} cannot be used: {error.strerror}", file=sys.stderr)
        raise SystemExit(1) from None
    telemetry.get_logger("api").info("API starts", **settings.masked())
    telemetry.export_only("api")
    services = make_services(settings, policy)
    root_path = settings.root_path or ""
    app = create_app(services, settings.api_key_header, settings.admin_keys, root_path=root_path)
    cached = CachedPrices(app, services.price_cache)
    # For signals before uvicorn handles them, and for the one that uvicorn raises again after it has stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    try:
        serve(UnderPrefix(cached, root_path) if root_path else cached, listener)
    finally:
        # At its end, Python would wait for threads that a frozen server holds up.
        _end_now(sys.exception())


def _end_now(error: BaseException | None) -> None:
    """End the process at once: with the status that uvicorn asked for, 0 after a signal, 1 after an error."""
    if error is not None and not isinstance(error, SystemExit | KeyboardInterrupt):
        traceback.print_exception(error)
        status = 1
    else:
        status = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 0
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
