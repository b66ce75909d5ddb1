/**
 * The grammar is PostgreSQL 18's. What an older server reads in the same words: a call of a function of that name, or a
 * column, where 18 has syntax of its own. Those functions may be anybody's.
 */
export interface NewerSyntax {
  readonly name: string;
  /** The first major version whose grammar has it. */
  readonly since: number;
}

export function newerSyntax(type: string, fields: Readonly<Record<string, unknown>>): NewerSyntax | null {
  if (type === 'JsonFuncExpr') {
    const name = JSON_OPERATIONS[String(fields.op ?? '')];
    return name === undefined ? null : { name, since: 17 };
  }
  if (type === 'SQLValueFunction') {
    return fields.op === 'SVFOP_SYSTEM_USER' ? { name: 'system_user', since: 16 } : null;
  }
  return NEWER[type] ?? null;
}

const JSON_OPERATIONS: Readonly<Record<string, string>> = {
  JSON_EXISTS_OP: 'json_exists',
  JSON_QUERY_OP: 'json_query',
  JSON_VALUE_OP: 'json_value',
};

const NEWER: Readonly<Record<string, NewerSyntax>> = {
  JsonTable: { name: 'json_table', since: 17 },
  JsonParseExpr: { name: 'json', since: 17 },
  JsonScalarExpr: { name: 'json_scalar', since: 17 },
  JsonSerializeExpr: { name: 'json_serialize', since: 17 },
  MergeSupportFunc: { name: 'merge_action', since: 17 },
  JsonObjectConstructor: { name: 'json_object', since: 16 },
  JsonArrayConstructor: { name: 'json_array', since: 16 },
  JsonArrayQueryConstructor: { name: 'json_array', since: 16 },
  JsonObjectAgg: { name: 'json_objectagg', since: 16 },
  JsonArrayAgg: { name: 'json_arrayagg', since: 16 },
};
