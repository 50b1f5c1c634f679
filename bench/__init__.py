"""
What a report costs, and a reader's request: `make bench` measures this worker beside a loop written by hand and a
stock Celery worker, and the web server beside a plain Express service.

`cases` what is measured; `backlog`, `freshness`, `idle`, `reading` how; `counts` and `proxy` count requests;
`loop`, `stock` and express/ are the peers; `results` keeps what was measured, so that a run can be resumed;
`summary` makes medians of it, and the table. Linux only: CPU and memory are read from the kernel.
"""
