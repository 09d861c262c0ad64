"""Bodies that schemathesis cannot make by itself: protobuf goes out as the bytes that were made up for it."""

import schemathesis


@schemathesis.serializer("application/x-protobuf")
def protobuf(ctx, value):
    data = getattr(value, "data", value)
    return data if isinstance(data, bytes) else str(data).encode()
