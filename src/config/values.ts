import { isIP } from 'node:net';

/** Where to listen or to connect. */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

export type Parsed<Value> =
  | { readonly outcome: 'parsed'; readonly value: Value }
  | { readonly outcome: 'wrong'; readonly why: string };

/** `host:port`, `[::1]:port`; `unix:/path/to/socket` where a local socket may be meant. */
export function parseAddress(text: string, portDefault: number | null): Parsed<Address> {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    if (!path.startsWith('/')) return wrong(`${quoted(text)} needs an absolute path after unix:`);
    return parsed({ kind: 'unix', path });
  }
  const match = /^(?:\[([^\]]+)\]|([^:\s/@]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (match === null || host === undefined) return wrong(`${quoted(text)} is not HOST:PORT`);
  if (match[1] !== undefined && isIP(host) !== 6) return wrong(`${quoted(host)} is not an IPv6 address`);
  if (match[2] !== undefined && !validHost(host)) return wrong(`${quoted(host)} is not a host name or an IPv4 address`);
  const port = match[3] === undefined ? portDefault : Number(match[3]);
  if (port === null) return wrong(`${quoted(text)} names no port`);
  if (port > 65_535) return wrong(`port ${port} is above 65535`);
  return parsed({ kind: 'tcp', host, port });
}

export function addressText(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

/** 127.0.0.0/8 (RFC 1122 §3.2.1.3), ::1 (RFC 4291 §2.5.3), localhost (RFC 6761 §6.3), and local sockets. */
export function isLoopback(address: Address): boolean {
  if (address.kind === 'unix') return true;
  if (isIP(address.host) === 4) return address.host.startsWith('127.');
  return address.host === 'localhost' || address.host === '::1' || address.host === '0:0:0:0:0:0:0:1';
}

/** `500ms`, `30s`, `15m`, `12h`, `90d`, as milliseconds. */
export function parseDuration(text: string): Parsed<number> {
  const match = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text);
  const unit = UNIT_MS[match?.[2] ?? ''];
  if (match === null || unit === undefined)
    return wrong(`${quoted(text)} is not a duration such as 30s, 15m, 12h or 7d`);
  const duration_ms = Number(match[1]) * unit;
  return duration_ms > 0 ? parsed(duration_ms) : wrong('a duration of nothing');
}

/** A day (its first moment, UTC) or a moment with its zone (RFC 3339). */
export function parseMoment(text: string): Parsed<number> {
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2}))?$/.test(text)) {
    return wrong(`${quoted(text)} is not a date such as 2027-01-31 or 2027-01-31T18:00Z`);
  }
  const at = Date.parse(text);
  // Date.parse takes 2027-02-31 for the third of March.
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  const real = !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text.slice(0, 10));
  return Number.isNaN(at) || !real ? wrong(`there is no ${text}`) : parsed(at);
}

/** An absolute http(s) URL without user, query or fragment. */
export function parsePublicUrl(text: string): Parsed<string> {
  if (!URL.canParse(text)) return wrong(`${quoted(text)} is not a URL`);
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return wrong(`${quoted(text)} is not an https URL`);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    return wrong(`${quoted(text)} may have no user, query or fragment`);
  }
  return parsed(url.href.replace(/\/$/, ''));
}

/** RFC 1123 §2.1: labels of letters, digits and hyphens; a name of digits and dots alone is an IPv4 address or nothing. */
function validHost(host: string): boolean {
  if (/^[\d.]+$/.test(host)) return isIP(host) === 4;
  return (
    host.length <= 253 &&
    /^([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i.test(host)
  );
}

function parsed<Value>(value: Value): Parsed<Value> {
  return { outcome: 'parsed', value };
}

function wrong(why: string): { readonly outcome: 'wrong'; readonly why: string } {
  return { outcome: 'wrong', why };
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
