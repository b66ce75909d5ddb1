import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { GatewayError } from '../core/errors.ts';

/** Where a request came in. */
export type Door =
  /** `admin.sock`: the file's mode says who may, so whoever connects is the operator. */
  { readonly kind: 'operator' } | { readonly kind: 'network'; readonly tls: boolean };

/**
 * What a browser can be made to send against its user's will is stopped by two headers that a page cannot forge: `Host`
 * (a rebound DNS name keeps its own) and `Origin`. Addresses cannot be rebound, so any of ours will do.
 */
export function checkHeaders(request: IncomingMessage, hosts: ReadonlySet<string>): void {
  const { rawHeaders } = request;
  let hostCount = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === 'host') hostCount++;
  }
  const host = request.headers.host;
  // RFC 9112 §3.2: a request with no Host or more than one is malformed.
  if (hostCount !== 1 || host === undefined) throw new GatewayError('WIRE_MALFORMED', `${hostCount} Host headers`);
  const name = hostName(host);
  if (name === null || !(isIP(name) !== 0 || hosts.has(name))) {
    throw new GatewayError('WIRE_MALFORMED', 'the Host header is none of this gateway');
  }
  const { origin } = request.headers;
  if (origin !== undefined && !sameHost(origin, host)) {
    throw new GatewayError('WIRE_MALFORMED', 'the Origin header is none of this gateway');
  }
  if (request.headers['sec-fetch-site'] === 'cross-site') {
    throw new GatewayError('WIRE_MALFORMED', 'asked for by another site');
  }
}

/** RFC 6750 §2.1, the scheme in any case (RFC 9110 §11.1); `null` where there is none. */
export function bearerToken(header: string | undefined): string | null {
  return /^bearer +([\x21-\x7e]{1,65535}) *$/i.exec(header ?? '')?.[1] ?? null;
}

export function isLoopbackPeer(address: string): boolean {
  return address === '' || /^(::ffff:)?127\./.test(address) || address === '::1';
}

function hostName(host: string): string | null {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^[\]:@/]+))(?::\d{1,5})?$/i.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase().replace(/\.$/, '') ?? null;
}

function sameHost(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}

/** Sent with every answer: it is for this caller, now, and never a page. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};
