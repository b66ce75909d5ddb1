import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: () => Record<string, unknown>;
}

export interface Ask {
  /** `HOST:PORT`, or the path of a socket. */
  readonly to: string;
  readonly method?: string;
  readonly path: string;
  readonly token?: string | undefined;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: unknown;
  /** Sent as it is, in place of `body`. */
  readonly raw?: string;
}

export function ask(asked: Ask): Promise<Answer> {
  const body = asked.raw ?? (asked.body === undefined ? undefined : JSON.stringify(asked.body));
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        ...where(asked.to),
        method: asked.method ?? 'GET',
        path: asked.path,
        agent: false,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(asked.token === undefined ? {} : { authorization: `Bearer ${asked.token}` }),
          ...asked.headers,
        },
      },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => {
          const text = Buffer.concat(parts).toString('utf8');
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: () => JSON.parse(text) });
        });
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

export function where(to: string): { socketPath: string } | { host: string; port: number } {
  if (to.startsWith('/')) return { socketPath: to };
  const colon = to.lastIndexOf(':');
  return { host: to.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(to.slice(colon + 1)) };
}
