import type { JSONWebKeySet, JWK } from 'jose';
import { z } from 'zod';
import { type FetchRules, fetchable, fetchJson } from './fetch.ts';

export type Published =
  /** Public signing keys of one issuer, none of them a shared secret. */
  | { readonly outcome: 'published'; readonly keys: JSONWebKeySet }
  | { readonly outcome: 'failed'; readonly why: string };

/** Asks the issuer where its keys are, and then for them. */
export async function publishedKeys(issuer: string, rules: FetchRules): Promise<Published> {
  // OpenID Connect Discovery 1.0 §4.1: a terminating slash of the issuer is removed first.
  const metadata = await fetchJson(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, rules);
  if (metadata.outcome === 'failed') return metadata;
  const described = discovery.safeParse(metadata.value);
  if (!described.success) return failed(`the metadata of ${issuer} lack issuer or jwks_uri`);
  // §4.3: the very same text, or somebody else's metadata were served under this name.
  if (described.data.issuer !== issuer)
    return failed(`the metadata at ${issuer} are of ${JSON.stringify(described.data.issuer).slice(0, 200)}`);
  const { jwks_uri } = described.data;
  if (!fetchable(jwks_uri)) return failed(`the jwks_uri of ${issuer} is neither https nor on loopback`);
  // An issuer on the network that points to this machine would have the gateway ask its neighbours.
  if (issuer.startsWith('https:') && !jwks_uri.startsWith('https:'))
    return failed(`the jwks_uri of ${issuer} is not https`);

  const jwks = await fetchJson(jwks_uri, rules);
  if (jwks.outcome === 'failed') return jwks;
  const set = keySet.safeParse(jwks.value);
  if (!set.success) return failed(`${jwks_uri} holds no key set`);
  const keys = set.data.keys
    .map((key) => publicKey.safeParse(key))
    .flatMap((key) => (key.success ? [key.data as JWK] : [])); // What is absent there is not set to undefined.
  if (keys.length === 0) return failed(`${jwks_uri} holds no public signing key`);
  return { outcome: 'published', keys: { keys } };
}

function failed(why: string): Published {
  return { outcome: 'failed', why };
}

const KEYS_MAX = 100;
const discovery = z.object({ issuer: z.string(), jwks_uri: z.string() });
const keySet = z.object({ keys: z.array(z.unknown()).max(KEYS_MAX) });

const base64url = z.string().regex(/^[A-Za-z0-9_-]+$/);
const about = {
  kid: z.string().optional(),
  alg: z.string().optional(),
  use: z.literal('sig').optional(),
  key_ops: z
    .array(z.string())
    .refine((operations) => operations.includes('verify'))
    .optional(),
};
/** RFC 7518 §3.3: RSA keys of 2048 bits or more. 256 bytes are 342 characters of base64url. */
const MODULUS_CHARACTERS_MIN = 342;
/** 8192 bits: checking a signature takes time with the square of the length. */
const MODULUS_CHARACTERS_MAX = 1_366;
/**
 * Keys are taken over field by field: a private part, a certificate chain or a URL in a key is not looked at, and a
 * symmetric key (`kty: oct`), with which anybody who can read the set could sign, is not a key here.
 */
const publicKey = z.discriminatedUnion('kty', [
  z.object({
    kty: z.literal('RSA'),
    n: base64url.min(MODULUS_CHARACTERS_MIN).max(MODULUS_CHARACTERS_MAX),
    e: base64url,
    ...about,
  }),
  z.object({ kty: z.literal('EC'), crv: z.enum(['P-256', 'P-384', 'P-521']), x: base64url, y: base64url, ...about }),
  z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: base64url, ...about }),
]);
