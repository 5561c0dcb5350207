/** A bucket, as far as s3fs asks: objects with their headers, lists, copies. It believes every signature. */
export interface Bucket extends Disposable {
  readonly url: string;
  /** What an object holds. */
  content(key: string): Uint8Array | undefined;
}

interface Stored {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly headers: Record<string, string>;
}

export function serveBucket(name: string): Bucket {
  const objects = new Map<string, Stored>();
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      const [, bucket, ...rest] = decodeURIComponent(pathname).split("/");
      const key = rest.join("/");
      if (bucket !== name) return NOT_FOUND();
      if (key === "") return list(objects, searchParams);
      if (request.method === "PUT") return put(request, key);
      if (request.method === "DELETE") {
        objects.delete(key);
        return new Response(null, { status: 204 });
      }
      const stored = objects.get(key);
      return stored === undefined ? NOT_FOUND() : get(request, stored);
    },
  });

  async function put(request: Request, key: string): Promise<Response> {
    const source = request.headers.get("x-amz-copy-source");
    const copied =
      source === null ? undefined : objects.get(decodeURIComponent(source).slice(name.length + 2));
    if (source !== null && copied === undefined) return NOT_FOUND();
    const body = copied?.body ?? new Uint8Array(await request.arrayBuffer());
    const headers = {
      ...Object.fromEntries([...request.headers].filter(([header]) => KEPT.test(header))),
      etag: `"${Bun.hash(body).toString(16)}"`,
      "last-modified": new Date().toUTCString(),
    };
    objects.set(key, { body, headers });
    if (source === null) return new Response(null, { headers });
    return new Response(`<CopyObjectResult><ETag>${headers.etag}</ETag></CopyObjectResult>`);
  }

  return {
    url: `http://127.0.0.1:${server.port}`,
    content: (key) => objects.get(key)?.body,
    [Symbol.dispose]: () => void server.stop(true),
  };
}

const NOT_FOUND = () => new Response(null, { status: 404 });
const KEPT = /^x-amz-meta-|^content-type$/;

function get({ method, headers }: Request, stored: Stored): Response {
  const length = String(stored.body.length);
  if (method === "HEAD")
    return new Response(null, { headers: { ...stored.headers, "content-length": length } });
  const [, first, last] = /bytes=(\d+)-(\d+)/.exec(headers.get("range") ?? "") ?? [];
  if (first === undefined) return new Response(stored.body, { headers: stored.headers });
  const part = stored.body.subarray(Number(first), Number(last) + 1);
  return new Response(part, { status: 206, headers: stored.headers });
}

/** ListObjects: what is below `prefix`, up to the next `delimiter`. */
function list(objects: ReadonlyMap<string, Stored>, query: URLSearchParams): Response {
  const prefix = query.get("prefix") ?? "";
  const delimiter = query.get("delimiter") || undefined;
  const entries = new Set<string>();
  for (const [key, { body }] of objects) {
    if (!key.startsWith(prefix)) continue;
    const end = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
    entries.add(
      end === -1
        ? `<Contents><Key>${key}</Key><Size>${body.length}</Size></Contents>`
        : `<CommonPrefixes><Prefix>${key.slice(0, end + 1)}</Prefix></CommonPrefixes>`,
    );
  }
  const xml = `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Prefix>${prefix}</Prefix><IsTruncated>false</IsTruncated>${[...entries].join("")}</ListBucketResult>`;
  return new Response(xml, { headers: { "content-type": "application/xml" } });
}
