"""
What storing a report costs, and answering a request: `make bench` measures this worker beside a loop written by hand
and a stock Celery worker, and the web server beside a plain Express service.

`cases` what is measured; `backlog`, `steady`, `idle`, `reading` how; `counts` and `proxy` count requests;
`loop`, `stock` and express/ are compared with it; `results` keeps what was measured, so that a bench can be resumed;
`summary` computes medians, and the table. Linux only: CPU and memory are read from the kernel.
"""
