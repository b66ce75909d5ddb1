import { readFileSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { problemView } from '../api/contract.ts';
import { isLoopback } from '../config/values.ts';
import { readEvents, type ServerEvent } from './events.ts';
import { CommandFailure } from './failure.ts';

/** Which gateway, and as whom. */
export type Destination =
  /** As the operator, over the gateway's own socket. */
  | { readonly kind: 'operator'; readonly socket: string }
  | { readonly kind: 'network'; readonly url: URL; readonly token: string | null; readonly ca: string | null };

export interface GatewayClient {
  /** The answer's JSON; a problem is thrown as a CommandFailure. */
  call(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<unknown>;
  /** Server-sent events until the stream ends or `stop` is aborted. */
  follow(path: string, stop: AbortSignal): AsyncGenerator<ServerEvent>;
}

export function createClient(destination: Destination): GatewayClient {
  return {
    async call(method, path, body) {
      const response = await send(destination, method, path, body, CALL_MS);
      const text = await readText(response);
      if (isSuccess(response)) return parseJson(text);
      throw asFailure(response, text, destination);
    },
    async *follow(path, stop) {
      const response = await send(destination, 'GET', path, undefined, 0, stop);
      if (!isSuccess(response)) throw asFailure(response, await readText(response), destination);
      yield* readEvents(response, stop);
    },
  };
}

function send(
  destination: Destination,
  method: string,
  path: string,
  body: unknown,
  timeout_ms: number,
  stop?: AbortSignal,
): Promise<IncomingMessage> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const options: RequestOptions = {
    method,
    agent: false,
    timeout: timeout_ms,
    headers: {
      accept: 'application/json',
      ...(payload === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
    },
    ...(stop === undefined ? {} : { signal: stop }),
  };
  return new Promise((resolve, reject) => {
    const request = open(destination, path, options);
    request.on('response', resolve);
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeout_ms / 1000} s`)));
    request.on('error', (error) => reject(unreachable(destination, error)));
    request.end(payload);
  });
}

function open(destination: Destination, path: string, options: RequestOptions) {
  if (destination.kind === 'operator') {
    return httpRequest({
      ...options,
      socketPath: destination.socket,
      path,
      headers: { ...options.headers, host: 'admin.sock' },
    });
  }
  const { url, token, ca } = destination;
  const prefix = url.pathname.replace(/\/$/, '');
  const target: RequestOptions = {
    ...options,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port,
    path: `${prefix}${path}`,
  };
  if (token !== null) target.headers = { ...options.headers, authorization: `Bearer ${token}` };
  if (url.protocol === 'https:') {
    return httpsRequest({ ...target, minVersion: 'TLSv1.2', ...(ca === null ? {} : { ca: readCa(ca) }) });
  }
  if (!isLoopback({ kind: 'tcp', host: url.hostname.replace(/^\[|\]$/g, ''), port: 0 })) {
    throw new CommandFailure('CLEARTEXT_REFUSED', `a token does not go to ${url.host} over http`, 'use https');
  }
  return httpRequest(target);
}

function readCa(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandFailure('INPUT_INVALID', `the CA ${path} cannot be read`, why);
  }
}

function unreachable(destination: Destination, error: Error): CommandFailure {
  const code = 'code' in error ? String(error.code) : '';
  if (destination.kind === 'operator') {
    const hint =
      code === 'EACCES'
        ? 'the socket belongs to the user who runs the gateway'
        : 'is it running? sallyport serve --config FILE';
    return new CommandFailure(
      'GATEWAY_UNREACHABLE',
      `no gateway answers at ${destination.socket} (${code || error.message})`,
      hint,
    );
  }
  const isTrust = /CERT|SELF_SIGNED|ISSUER|ALTNAME|VERIFY/.test(code);
  const hint = isTrust
    ? "--ca FILE names the gateway's CA: data_dir/ca.pem"
    : 'check the address; --gateway URL or SALLYPORT_GATEWAY';
  return new CommandFailure(
    'GATEWAY_UNREACHABLE',
    `no gateway answers at ${destination.url.origin} (${code || error.message})`,
    hint,
  );
}

function isSuccess(response: IncomingMessage): boolean {
  return response.statusCode !== undefined && response.statusCode >= 200 && response.statusCode < 300;
}

function asFailure(response: IncomingMessage, text: string, destination: Destination): CommandFailure {
  const problem = problemView.safeParse(tryJson(text));
  if (response.statusCode === 401 && destination.kind === 'network' && destination.token === null) {
    return new CommandFailure('IDENTITY_REFUSED', 'no token was sent', 'SALLYPORT_TOKEN=… says who you are');
  }
  if (problem.success) {
    const { code, why, rule, hint, problems } = problem.data;
    return new CommandFailure(code, withRule(why, rule), hint, 1, problems);
  }
  return new CommandFailure('GATEWAY_UNREACHABLE', `the answer is not of a gateway (HTTP ${response.statusCode ?? 0})`);
}

function withRule(why: string, rule: string | null): string {
  return rule === null ? why : `${why} (rule ${rule})`;
}

async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response) {
    // Without an encoding set, a response gives buffers.
    const bytes = part as Buffer;
    length += bytes.length;
    if (length > ANSWER_BYTES_MAX)
      throw new CommandFailure('GATEWAY_UNREACHABLE', `the answer is longer than ${ANSWER_BYTES_MAX} bytes`);
    parts.push(bytes);
  }
  return Buffer.concat(parts).toString('utf8');
}

function parseJson(text: string): unknown {
  const value = tryJson(text);
  if (value === undefined) throw new CommandFailure('GATEWAY_UNREACHABLE', 'the answer is not of a gateway (no JSON)');
  return value;
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const CALL_MS = 60_000;
const ANSWER_BYTES_MAX = 256 * 1024 * 1024;
