import { createHash } from 'node:crypto';
import { type CatalogueConnection, createCatalogueReader } from '../adapters/catalogue-postgres/reader.ts';
import type { Limits } from '../core/limits.ts';
import type { SnapshotReader } from '../gateway/catalogues.ts';
import { dialDirect } from '../gateway/dial.ts';
import { databaseResource } from '../gateway/opening.ts';
import type { Target } from '../gateway/targets.ts';
import { askForTls } from '../gateway/tls.ts';
import { encodeStartup } from '../protocols/postgres/startup.ts';
import { createSnapshot, type Snapshot } from '../protocols/sql/snapshot.ts';
import type { Current } from './current.ts';

/** Reads catalogues as each target's `catalog_credential`, and labels them by the configuration in force. */
export function catalogueReaders(
  current: Current,
  limits: Limits,
  warn: (message: string) => void,
): (target: string, database: string) => SnapshotReader {
  return (name, database) => {
    let known: { readonly digest: string; readonly snapshot: Snapshot } | null = null;
    let version = 0;
    return {
      read: async (before) => {
        const { targets, config } = current.now;
        const target = targets.get(name);
        const line = config.targets.find((one) => one.name === name);
        if (target === undefined || line === undefined) throw new Error(`there is no target ${name} any more`);
        const rows = await createCatalogueReader(await catalogueConnection(target, database, limits)).read();
        const resource = databaseResource(target, database);
        const digest = createHash('sha256')
          .update(JSON.stringify([rows, line.classify, resource]))
          .digest('hex');
        if (known !== null && known.digest === digest && before === known.snapshot.catalogue) return before;
        version += 1;
        const snapshot = createSnapshot({
          rows,
          version,
          target: resource,
          classify: line.classify,
          ...(known === null ? {} : { remembered: known.snapshot.remembered }),
        });
        known = { digest, snapshot };
        // A misspelt column would pass in clear without a word. Other databases of the target need not have it.
        if (database === target.database) {
          for (const { column } of snapshot.unmatched) {
            warn(
              `target ${name}: classify ${column}: no column of database ${database} is called that, so it labels nothing`,
            );
          }
        }
        return snapshot.catalogue;
      },
    };
  };
}

/** How the gateway itself connects to a target: as its `catalog_credential`, which reads pg_catalog and no data. */
export async function catalogueConnection(
  target: Target,
  database: string,
  limits: Limits,
): Promise<CatalogueConnection> {
  return {
    user: target.catalogue.user,
    password: await target.catalogue.password(),
    database,
    connect: () => connect(target, limits.dial_ms),
    connect_ms: limits.dial_ms,
    statement_ms: limits.catalogue_read_ms,
  };
}

async function connect(target: Target, dial_ms: number) {
  const socket = await dialDirect(target.address, dial_ms);
  return target.tls === 'off' ? socket : askForTls(socket, target, encodeStartup({ type: 'ssl-request' }));
}
