import { z } from 'zod';

/**
 * The `identity` section of the configuration. It has no transforms, so that its JSON Schema says what may be written;
 * what the words mean together is checked in check.ts.
 */
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
const DURATION = /^[1-9][0-9]{0,8}(ms|s|m|h|d)$/;

const name = z.string().regex(NAME, 'expected lower-case letters, digits, dot, dash, underscore; at most 63');
const group = z.string().regex(/^[^/\p{Cc}]{1,255}$/u, 'expected a group name without slash');
const duration = z.string().regex(DURATION, 'expected a duration such as 30m, 12h or 90d');
const person = z.string().regex(/^[^\s\p{Cc}]{1,255}$/u, 'expected a person: an e-mail address or PROVIDER/SUBJECT');
const claim = z.string().min(1).max(255);
const issuer = z.string().refine(secureUrl, 'expected an https URL (http on loopback only) without query or fragment');

/** RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864: signatures by a private key. Never `none`, never a shared secret. */
export const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
] as const;

const common = {
  name: name.describe('First part of the ids of everyone it vouches for; never change it'),
  issuer: issuer.describe('As it stands in the `iss` of its tokens, to the letter'),
  algorithms: z
    .array(z.enum(ALGORITHMS))
    .min(1)
    .optional()
    .describe('Signature algorithms; default: all but `none` and HS*'),
  session_max: duration.optional().describe('How long a session may last; default 12h for people, 1h for workloads'),
  token_age_max: duration.optional().describe('Refuse tokens issued longer ago; default 24h'),
  once: z.boolean().optional().describe('Each token opens one session only; default false'),
  claims: z.array(claim).optional().describe('Claims that policies may read'),
};

const oidc = z.strictObject({
  type: z.literal('oidc'),
  ...common,
  client_id: z.string().min(1),
  client_secret: z.string().min(1).meta({ format: 'secret' }).optional(),
  groups_claim: claim.optional(),
  groups: z.literal('trusted').optional().describe('Its groups may also be used without the provider in front'),
  groups_allowed: z.array(group).optional().describe('Which of them, when `groups: trusted`'),
  username_claim: claim.optional().describe('Default: the e-mail address where it is verified, else the subject'),
});

const workload = z.strictObject({
  type: z.literal('workload'),
  ...common,
  audience: z.string().min(1).optional().describe("Default: the gateway's public_url"),
  require: z
    .record(claim, z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]))
    .describe('Claims and the value, or list of values, they must have exactly'),
  subject: z.string().min(1).max(255).optional().describe('Who it is, from immutable claims: `ci:{repository_id}`'),
  groups: z.array(group).optional(),
  person: person.optional().describe('The human who answers for it'),
  acts_for: claim.optional().describe('Claim with the immutable id of the human who started it'),
});

const saml = z.looseObject({ type: z.literal('saml'), name });

const serviceAccount = z.strictObject({
  name,
  groups: z.array(group).optional(),
  person: person.optional().describe('The human who answers for it'),
  may_approve: z.boolean().optional(),
  ssh_keys: z.array(z.string().min(1)).optional(),
});

const agent = z.strictObject({
  name,
  groups: z.array(group).optional(),
  person: person.optional(),
  on_behalf_of: z.literal('required').describe('An agent always acts for somebody'),
});

export const identityConfig = z.strictObject({
  providers: z.array(z.discriminatedUnion('type', [oidc, workload, saml])).optional(),
  service_accounts: z.array(serviceAccount).optional(),
  agents: z.array(agent).optional(),
  people: z
    .record(person, z.array(z.string().regex(/^[^/\s]+\/.+$/, 'expected PROVIDER/SUBJECT')))
    .optional()
    .describe('Which principals are one human: person → ids'),
  token_ttl_max: duration.optional().describe('The longest life of a gateway token; default 90d'),
});

export type IdentityConfig = z.infer<typeof identityConfig>;
export type ProviderConfig = NonNullable<IdentityConfig['providers']>[number];
export type OidcConfig = z.infer<typeof oidc>;
export type WorkloadConfig = z.infer<typeof workload>;
export type ServiceAccountConfig = z.infer<typeof serviceAccount>;
export type AgentConfig = z.infer<typeof agent>;

/** The provider part of the ids of service accounts and agents. */
export const OWN_PROVIDER = 'gateway';

/** `1h` → 3,600,000. The text has passed the schema. */
export function durationMs(text: string): number {
  const [, digits, unit] = /^([0-9]+)(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = unit === undefined ? undefined : UNIT_MS.get(unit);
  if (digits === undefined || factor === undefined) throw new Error(`'${text}' is no duration`);
  return Number(digits) * factor;
}

/** Issuers are fetched from: over TLS, or on this very machine (RFC 8414 §2 wants https, no query, no fragment). */
export function secureUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || text.includes('?') || text.includes('#')) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host);
}

const UNIT_MS = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);
