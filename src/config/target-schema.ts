import { z } from 'zod';
import { baseName, checked, duration, moment, secretText } from './scalars.ts';
import { parseAddress } from './values.ts';

const POSTGRES_PORT = 5432;

const login = {
  user: z.string().min(1).max(63),
  password: secretText,
  auth: z
    .enum(['scram-sha-256', 'md5', 'cleartext'])
    .optional()
    .describe('What the target may ask for; anything else is refused. Default scram-sha-256.'),
};

const loginEntry = z.strictObject(login);
const credentialEntry = z.strictObject({
  for: z
    .strictObject({ groups: z.array(z.string().min(1)).optional(), principals: z.array(z.string().min(1)).optional() })
    .optional()
    .describe('Who gets this login; without it, everyone who comes this far down the list.'),
  ...login,
});

const mode = z
  .union([z.literal('enforce'), z.strictObject({ observe: z.literal(true), until: moment })])
  .describe('enforce, or {observe: true, until: DATE}: decide and record, but let pass, for at most 90 days.');

const labels = z.record(baseName, z.string().regex(/^[\w.-]{1,63}$/, 'a label value is 1–63 letters, digits, _ . -'));

/** What a target may take from `defaults`. */
const shared = {
  tls: z.enum(['off', 'require', 'verify-full']).optional().describe('Default verify-full; off for a local socket.'),
  ca: z.string().min(1).optional().describe('PEM file with the CAs that may sign for the target.'),
  credential: z.union([credentialEntry, z.array(credentialEntry).min(1)]).optional(),
  catalog_credential: loginEntry.optional().describe('Reads pg_catalog only. Default: the last of credential.'),
  mode: mode.optional(),
  session_max: duration.optional().describe('A session ends after that, whatever it is doing.'),
  classify: z
    .array(z.strictObject({ column: z.string().min(1).max(255), label: baseName }))
    .optional()
    .describe('What is sensitive, by column: schema.table.column, or *.column for every table.'),
};

export const postgresTarget = z.strictObject({
  name: baseName,
  protocol: z.literal('postgres'),
  address: checked((text) => parseAddress(text, POSTGRES_PORT)).describe('HOST:PORT or unix:/path/to/socket'),
  listen: checked((text) => parseAddress(text, null))
    .optional()
    .describe('A port of its own.'),
  database: z.string().min(1).max(63).optional().describe("What TARGET alone means. Default: the target's name."),
  databases: z
    .array(z.string().min(1).max(63))
    .optional()
    .describe('What TARGET/DATABASE may name besides. Default: any; the policy decides on TARGET@DATABASE.'),
  labels: labels.optional(),
  ...shared,
});

/** Protocols whose rooms are not there yet: their lines are not read beyond the name. */
const laterTarget = z.looseObject({ name: baseName, protocol: z.enum(['mysql', 'ssh', 'kubernetes', 'http']) });

export const targetEntry = z.discriminatedUnion('protocol', [postgresTarget, laterTarget]);
const includeEntry = z.strictObject({ include: z.array(z.string().min(1)) });

/** A target, a file or glob with targets, or `include: [globs]`. */
export const targetsItem = z.union([z.string().min(1), includeEntry, targetEntry]);
export const targetsSection = z.union([z.array(targetsItem), includeEntry]);

export const defaultsEntry = z.strictObject({
  labels: labels.optional().describe('For targets that carry all of these; without it, for all.'),
  ...shared,
});

export type PostgresTargetText = z.output<typeof postgresTarget>;
export type TargetEntryText = z.output<typeof targetEntry>;
export type TargetsItemText = z.output<typeof targetsItem>;
export type DefaultsText = z.output<typeof defaultsEntry>;
export type CredentialText = z.output<typeof credentialEntry>;
export type LoginText = z.output<typeof loginEntry>;
