"""A shop for the examples: its figures as JSON, and a page. Prints its address; ends after ten minutes at the latest."""

import http.server
import json
import threading

FIGURES = {"orders": {"paid": 12, "cancelled": 1}, "revenue": 310000, "signups": 7}
PAGE = "<h1>환영합니다</h1>"


class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        figures = self.path == "/figures"
        body = (json.dumps(FIGURES) if figures else PAGE).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json" if figures else "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shop)
threading.Timer(600, server.shutdown).start()
print("127.0.0.1:%d" % server.server_port, flush=True)
server.serve_forever()
