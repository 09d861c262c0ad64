import { afterEach, describe, expect, it, vi } from "vitest";
import { ApiError, ask } from "./api";

afterEach(() => {
  vi.unstubAllGlobals();
});

const answers = (status: number, body: string): void => {
  vi.stubGlobal("fetch", () => Promise.resolve(new Response(body, { status })));
};

describe("ask", () => {
  it("answers the data of the envelope", async () => {
    answers(200, '{"status":"success","data":[1]}');
    expect(await ask("/api")).toEqual([1]);
  });

  it.each<[string, number, string, string]>([
    ["an error of the API", 422, '{"status":"error","errorType":"execution","error":"too many samples"}', "too many samples"],
    ["an error page of somebody else", 502, "<html>bad gateway</html>", "status 502 for /api"],
    ["a success that is none", 200, '{"status":"error","error":"odd"}', "odd"],
    ["no envelope", 200, "[]", "status 200"],
    ["nothing", 200, "", "status 200"],
    ["null", 200, "null", "status 200"],
    ["an error that is no text", 500, '{"status":"error","error":{"a":1}}', "status 500"],
  ])("says what happened: %s", async (_, status, body, expected) => {
    answers(status, body);
    const error = await ask("/api").catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ApiError);
    expect((error as ApiError).message).toContain(expected);
    expect((error as ApiError).status).toBe(status);
  });

  it("says that the server cannot be reached", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
    await expect(ask("/api")).rejects.toThrow("does not answer");
  });

  it("posts a body as JSON", async () => {
    let sent: RequestInit | undefined;
    vi.stubGlobal("fetch", (_: string, init: RequestInit) => {
      sent = init;
      return Promise.resolve(new Response('{"status":"success","data":null}'));
    });
    await ask("/api", { body: { a: 1 } });
    expect([sent?.method, sent?.body]).toEqual(["POST", '{"a":1}']);
  });

  it("passes on that nobody waits any more", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new DOMException("stopped", "AbortError")));
    await expect(ask("/api")).rejects.not.toBeInstanceOf(ApiError);
  });
});
