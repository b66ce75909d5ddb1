import { isIPv6 } from 'node:net';
import { ANYBODY } from './principals.ts';
import type { Credential, Where } from './stage.ts';
import { tokenId } from './tokens.ts';

/** What a failed login is remembered under: where it came from, and whom it claimed to be. */
export function throttleKeys(credential: Credential, where: Where): readonly string[] {
  return [`address:${network(where.clientAddress)}`, ...claimed(credential)];
}

function claimed(credential: Credential): readonly string[] {
  if (credential.kind !== 'bearer' && credential.user !== ANYBODY && credential.user.length <= NAME_CHARACTERS_MAX) {
    return [`name:${credential.user}`];
  }
  if (credential.kind === 'scram') return [];
  const id = tokenId(credential.kind === 'bearer' ? credential.token : credential.secret);
  return id === null ? [] : [`token:${id}`];
}

/** One IPv6 subscriber has a /64 of addresses (RFC 6177), so they count as one. */
export function network(address: string): string {
  const [bare = ''] = address.split('%', 1);
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(bare)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(bare)) return bare.slice(0, NAME_CHARACTERS_MAX);
  const [head = '', tail] = bare.toLowerCase().split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  // An embedded IPv4 address stands for two groups; it can only lie in the last ones.
  const rightGroups = right.length + (right.at(-1)?.includes('.') === true ? 1 : 0);
  const zeros = tail === undefined ? 0 : 8 - left.length - rightGroups;
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
  return groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}

const NAME_CHARACTERS_MAX = 255;
