import { readFileSync } from 'node:fs';
import https from 'node:https';
import type { Gateway } from '../servers/gateway.ts';

export interface Called {
  readonly status: number;
  readonly body: string;
}

export interface Call {
  readonly method?: string;
  readonly token?: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One request to the gateway's API over HTTPS, its certificate checked. A stream is closed once its head has come. */
export function call(
  gateway: Gateway,
  path: string,
  { method = 'GET', token, body, headers }: Call = {},
): Promise<Called> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? '' : JSON.stringify(body);
    const request = https.request(
      {
        host: '127.0.0.1',
        servername: 'localhost',
        port: gateway.apiPort,
        method,
        path,
        ca: readFileSync(gateway.ca),
        agent: false,
        headers: {
          host: `localhost:${gateway.apiPort}`,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
          ...headers,
        },
      },
      (response) => {
        const status = response.statusCode ?? 0;
        if (response.headers['content-type']?.startsWith('text/event-stream') === true) {
          resolve({ status, body: '' });
          request.destroy();
          return;
        }
        let text = '';
        response.on('data', (bytes: Buffer) => {
          text += bytes.toString();
        });
        response.on('end', () => resolve({ status, body: text }));
      },
    );
    request.on('error', reject);
    request.end(payload);
  });
}

/** Every route of the table, with a body that fits it; ids are those of nothing. */
export const BODIES: Readonly<Record<string, object>> = {
  'POST /api/v1/requests/:id/decisions': { decision: 'deny', reason: 'no' },
  'POST /api/v1/tokens': { account: 'eve', ttl_ms: 60_000 },
  'POST /api/v1/revocations': { principal: 'gateway/nobody' },
  'POST /api/v1/policy/explain': { as: { id: 'gateway/ann' }, target: 'crm', statement: 'select 1' },
  'POST /api/v1/policy/test': { tests: [{ file: 'a.test.yaml', text: '' }] },
};

export function pathOf(route: { readonly path: string }): string {
  return route.path.replace(':entry', '1').replace(':id', 'ses_none');
}
