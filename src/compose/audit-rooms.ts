import type { ApiRooms } from '../api/ports.ts';
import { machineFiles } from '../audit/files.ts';
import { leafHash } from '../audit/hash.ts';
import type { AuditLog } from '../audit/log.ts';
import { inclusionRanges, rangeRoot } from '../audit/proof.ts';
import { tileHashes } from '../audit/session-proof.ts';

/** The record's own proofs for the API. */
export function auditRooms(log: AuditLog, directory: string): Pick<ApiRooms['audit'], 'checkpoint' | 'proof'> {
  return {
    checkpoint: async () => ({ checkpoint: log.signed, vkey: log.vkey, size: sizeOf(log.signed) }),
    proof: async (index) => {
      const checkpoint = log.signed;
      const size = sizeOf(checkpoint);
      // What is not under a checkpoint yet cannot be proved; ask again in a second.
      if (index >= size) return null;
      const stored = await log.reader.entry(index);
      if (stored === null) return null;
      const hashes = tileHashes(machineFiles, directory, size);
      const path: string[] = [];
      for (const range of inclusionRanges(index, size)) path.push((await rangeRoot(range, hashes)).toString('base64'));
      return { entry: index, leaf: leafHash(stored.bytes).toString('base64'), path, checkpoint };
    },
  };
}

/** The second line of a checkpoint (C2SP tlog-checkpoint). */
function sizeOf(checkpoint: string): number {
  return Number(checkpoint.split('\n')[1] ?? 0);
}
