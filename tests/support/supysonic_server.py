"""A real Subsonic server (supysonic) over a folder of music, as a process of its own: `-m` MUSIC STATE."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from supysonic.config import DefaultConfig
from supysonic.db import close_connection, open_connection
from supysonic.managers.folder import FolderManager
from supysonic.managers.user import UserManager
from supysonic.scanner import Scanner
from supysonic.web import create_application
from werkzeug.serving import make_server

USER, PASSWORD = "ann", "sesame & 100%+open"
OTHER, OTHER_PASSWORD = "bob", "another"


def serve(music: Path, state: Path) -> None:
    """Scan the music, say at which port it is served, and serve it until the process is ended."""
    config = DefaultConfig()
    config.BASE = {**config.BASE, "database_uri": f"sqlite:///{state / 'supysonic.db'}"}
    config.WEBAPP = {**config.WEBAPP, "cache_dir": str(state), "mount_webui": False, "log_level": None}
    application = create_application(config)
    open_connection()
    UserManager.add(USER, PASSWORD, admin=True)
    UserManager.add(OTHER, OTHER_PASSWORD)
    FolderManager.add("music", str(music))
    scanner = Scanner()
    scanner.queue_folder("music")
    scanner.run()
    close_connection()
    logging.getLogger("werkzeug").disabled = True
    server = make_server("127.0.0.1", 0, application, threaded=True)
    print(server.server_port, flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
