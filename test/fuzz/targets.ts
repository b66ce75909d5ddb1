import { POSTGRES_TARGETS } from './postgres-targets.ts';
import type { Target } from './target.ts';

/** Every decoder that strangers feed. */
export const TARGETS: readonly Target[] = [...POSTGRES_TARGETS];
