import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { spawned } from '../servers/gateway.ts';

const BIN = join(import.meta.dirname, '../../bin/sallyport');

export interface Change {
  readonly target?: object;
  readonly account?: object;
  readonly [section: string]: unknown;
}

/** What `sallyport check` says of this rule in an otherwise good configuration. */
export async function checked(rule: string, { target, account, ...sections }: Change = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-rules-'));
  try {
    mkdirSync(join(directory, 'policies'));
    writeFileSync(join(directory, 'policies', 'rules.cedar'), `${rule}\n`);
    const configuration = {
      gateway: { name: 'test', data_dir: './data', public_url: 'https://localhost:8443' },
      listeners: { api: '127.0.0.1:8443', postgres: '127.0.0.1:5433' },
      identity: { service_accounts: [{ name: 'ann', groups: ['dev'], person: 'ann@example.com', ...account }] },
      targets: [
        {
          name: 'crm',
          protocol: 'postgres',
          address: '127.0.0.1:5432',
          tls: 'off',
          database: 'crm',
          credential: { user: 'gateway', password: 'secret' },
          labels: { env: 'prod' },
          classify: [{ column: 'public.customers.ssn', label: 'pii' }],
          ...target,
        },
      ],
      policies: ['./policies/*.cedar'],
      ...sections,
    };
    const path = join(directory, 'sallyport.yaml');
    writeFileSync(path, stringify(configuration));
    const { status, stdout, stderr } = await spawned(BIN, ['check', '--config', path], {
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    return { status, said: stdout + stderr };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
