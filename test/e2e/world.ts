import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Gateway, startGateway } from '../servers/gateway.ts';
import { type PostgresServer, startPostgres } from '../servers/postgres.ts';
import { startTap, type Tap } from '../servers/tap.ts';

/** A gateway in front of a real PostgreSQL with the sample data, and a tap that sees what the target sees. */
export interface World {
  readonly server: PostgresServer;
  readonly tap: Tap;
  readonly gateway: Gateway;
  stop(): Promise<void>;
}

export interface WorldOptions {
  readonly version?: 15 | 18;
  /** Cedar beside the standing policies below. */
  readonly policies?: string;
  /** More SQL for the database, as its superuser. */
  readonly sql?: string;
  readonly target?: object;
  /** More targets beside it. */
  readonly targets?: readonly object[];
  readonly config?: Readonly<Record<string, object>>;
  readonly serviceAccounts?: readonly object[];
}

/** ann develops, dan decides, fay sees clear, bot is somebody else's program, max may do anything. */
export const ACCOUNTS = [
  { name: 'ann', groups: ['dev'], person: 'ann@example.com' },
  { name: 'dan', groups: ['dba'], person: 'dan@example.com', may_approve: true },
  { name: 'fay', groups: ['dev', 'fraud'], person: 'fay@example.com' },
  { name: 'max', groups: ['admins'], person: 'max@example.com' },
  { name: 'eve', groups: ['nobody'], person: 'eve@example.com' },
] as const;

export const POLICIES = `
@id("dev-crm") permit (principal in Group::"dev", action in [Action::"open", Action::"sql.read", Action::"sql.write"], resource in Target::"crm");
@id("max-all") permit (principal in Group::"admins", action in [Action::"open", Action::"sql", Action::"sql.opaque"], resource in Target::"crm");
@id("prod-writes") @cure("approval") @approvers("dba") @count("1") @within("2m")
forbid (principal in Group::"dev", action == Action::"sql.write", resource in Label::"env/prod") unless { context.approvedBy.contains("prod-writes") };
@id("no-drops") @message("the schema is changed by migrations")
forbid (principal in Group::"dev", action in [Action::"sql.define", Action::"sql.administer"], resource);
@id("mask-pii") @cure("mask") @mask("partial(0,4)") forbid (principal, action == Action::"reveal", resource in Label::"pii") unless { principal in Group::"fraud" };
@id("dba-decides") permit (principal in Group::"dba", action == Control::Action::"request.decide", resource);
`;

/** Never shown to anybody but fay: if one of these reaches a client in any form, a mask leaked. */
export const CANARIES = ['123-45-6789', '234-56-7890', '345-67-8901', '456-78-9012', '567-89-0123'] as const;

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const server = await startPostgres({ version: options.version ?? 15 });
  const admin = await server.client();
  await admin.query('create database crm');
  await admin.end();
  const crm = await server.client('crm');
  await crm.query(readFileSync(join(import.meta.dirname, '../../examples/demo/sample.sql'), 'utf8'));
  if (options.sql !== undefined) await crm.query(options.sql);
  await crm.end();
  const tap = await startTap(server.port);
  const gateway = await startGateway({
    targets: [
      {
        name: 'crm',
        protocol: 'postgres',
        address: `127.0.0.1:${tap.port}`,
        tls: 'off',
        database: 'crm',
        credential: { user: 'gateway_rw', password: 'rw-demo' },
        catalog_credential: { user: 'gateway_catalog', password: 'catalog-demo' },
        labels: { env: 'prod' },
        classify: [
          { column: 'public.customers.ssn', label: 'pii' },
          { column: '*.email', label: 'pii' },
        ],
        ...options.target,
      },
      ...(options.targets ?? []),
    ],
    policies: {
      'world.cedar': POLICIES,
      ...(options.policies === undefined ? {} : { 'more.cedar': options.policies }),
    },
    serviceAccounts: [...ACCOUNTS, ...(options.serviceAccounts ?? [])],
    ...(options.config === undefined ? {} : { config: options.config }),
  });
  return {
    server,
    tap,
    gateway,
    stop: async () => {
      await gateway.stop();
      await tap.stop();
      await server.stop();
      gateway.clean();
    },
  };
}
