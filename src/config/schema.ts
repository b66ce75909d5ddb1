import { z } from 'zod';
import { identityConfig } from '../identity/config.ts';
import { limitsSection } from './limits-schema.ts';
import { address, baseName, publicUrl } from './scalars.ts';
import { defaultsEntry, targetsSection } from './target-schema.ts';

/**
 * The configuration file as it is written. What it means, and what single values cannot show (addresses used twice, a
 * credential nobody can reach), is `resolve.ts`.
 */
const gatewaySection = z.strictObject({
  name: baseName.default('sallyport').describe("The audit log's origin, together with public_url."),
  data_dir: z.string().min(1).default('./data').describe('Keys, state and audit log. Relative to this file.'),
  public_url: publicUrl.optional().describe('How clients and browsers reach the API.'),
  tls: z
    .union([z.enum(['auto', 'off']), z.strictObject({ cert: z.string().min(1), key: z.string().min(1) })])
    .default('auto')
    .describe('auto: a CA of its own in data_dir; {cert, key}: PEM files; off: loopback listeners only.'),
  store: z.string().min(1).default('sqlite').describe('Where sessions, requests and tokens are kept.'),
  insecure_loopback: z
    .boolean()
    .default(false)
    .describe('Accept passwords and tokens in clear from loopback clients that do not use TLS.'),
});

const listenersSection = z.strictObject({
  api: address.optional().describe('HTTP API and console.'),
  postgres: address.optional(),
  mysql: address.nullish(),
  ssh: address.nullish(),
  kubernetes: address.nullish(),
  http: address.nullish(),
});

const auditSection = z.strictObject({
  durability: z
    .enum(['writes', 'strict', 'batched'])
    .default('writes')
    .describe(
      'writes: fsync before anything but a read crosses; strict: before everything; batched: at most 10 ms late.',
    ),
});

const approvalsSection = z.strictObject({
  url: publicUrl.optional().describe('Where people decide; shown in notices and errors as URL/requests/ID.'),
});

export const configSchema = z
  .strictObject({
    gateway: gatewaySection.prefault({}),
    listeners: listenersSection.prefault({}),
    identity: identityConfig.prefault({}),
    targets: targetsSection.prefault([]),
    defaults: z
      .array(defaultsEntry)
      .prefault([])
      .describe('For every target that carries these labels; its own lines win.'),
    policies: z
      .union([z.array(z.string().min(1)), z.looseObject({ git: z.string() })])
      .prefault([])
      .describe('Cedar files or globs, relative to this file.'),
    include: z.array(z.string().min(1)).prefault([]).describe('Files or globs with targets, defaults and policies.'),
    labels_required: z.array(baseName).prefault([]).describe('A target without them is never opened.'),
    audit: auditSection.prefault({}),
    approvals: approvalsSection.prefault({}),
    limits: limitsSection.prefault({}),
    analyzer: z.unknown().optional(),
    runbooks: z.unknown().optional(),
    masking: z.unknown().optional(),
    exports: z.unknown().optional(),
    admin: z.unknown().optional(),
    alerts: z.unknown().optional(),
    keys: z.unknown().optional(),
  })
  .meta({ title: 'Sallyport configuration' });

export type ConfigText = z.output<typeof configSchema>;

/** What an included file may hold: what a team owns. */
export const includedSchema = z.strictObject({
  targets: targetsSection.prefault([]),
  defaults: z.array(defaultsEntry).prefault([]),
  policies: z.array(z.string().min(1)).prefault([]),
});

/** Sections whose rooms this version does not have. They may stand there empty. */
export const RESERVED_SECTIONS = ['analyzer', 'runbooks', 'masking', 'exports', 'admin', 'alerts', 'keys'] as const;
