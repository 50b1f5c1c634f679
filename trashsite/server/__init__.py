"""
How a web process serves: granian reads and writes, its threads run Django, and an event loop waits for slow clients.

granian's own WSGI mode keeps a thread for each body that is on its way and for each client that reads slowly. Here a
request without a body runs in the thread that granian gives it (`exchange`). A body is collected by the loop, and a
streamed answer is sent by it (`bodies`, `streams`); neither holds a thread while it waits. `places` divides the threads
among `visitors` and kinds of requests. `connections` closes what is too slow, or idle for longest where connections run
out. `scheduler` is where granian calls us; `environ` and `handler` take its request to Django and the response back.
`threads` closes what threads that ended held of the database, `memory` gives back what a rush took, `between_requests`
leaves out steps of Django that change nothing, `started` tells the apps that this process serves.
"""
