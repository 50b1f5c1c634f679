"""
The production web server, here and in a container. gunicorn reads WEB_CONCURRENCY (processes) and
GUNICORN_CMD_ARGS (anything else, such as --threads=16) from the environment by itself.

Threads: a request waits for one GetItem, and the threads of a process share one client.
"""

from pathlib import Path

# Ours never lets a slow client hold a thread.
worker_class = "trashsite.server.Worker"
threads = 8
# Longer than a load balancer keeps an idle connection (AWS: 60 s), so that it never sends on one just closed.
keepalive = 65
timeout = 30
graceful_timeout = 5
# The workers' heartbeat files: in memory, since a slow disk would look like a worker that hangs.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
accesslog = None
errorlog = "-"
loglevel = "warning"
