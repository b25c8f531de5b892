-- What Redshift has and PostgreSQL lacks: types, functions and catalog views. Runs at every start, on databases of
-- older versions too, so every statement can be repeated. No backslash outside comments: escapes are on.
SET client_min_messages = error;
CREATE SCHEMA IF NOT EXISTS redshift_local;
GRANT USAGE ON SCHEMA redshift_local TO PUBLIC;
-- As on Redshift: everybody may create in public, nobody but the owner may call a new procedure.
GRANT ALL ON SCHEMA public TO PUBLIC;

DO $$ BEGIN
  IF to_regtype('redshift_local.super') IS NULL THEN
    CREATE DOMAIN redshift_local.super AS jsonb;
  END IF;
END $$;

-- A writer keeps other writers of the table out, and readers in: Redshift's ShareRowExclusiveLock.
CREATE OR REPLACE FUNCTION redshift_local.write_lock(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE relation regclass := to_regclass(name);
BEGIN
  IF EXISTS (SELECT 1 FROM pg_catalog.pg_class WHERE oid = relation AND relkind = 'r' AND relpersistence = 'p') THEN
    EXECUTE 'LOCK TABLE ' || relation::text || ' IN SHARE ROW EXCLUSIVE MODE';
  END IF;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.cut(value text, bytes int) RETURNS varchar
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE result text := left(value, bytes);
BEGIN
  WHILE octet_length(result) > bytes LOOP
    result := left(result, char_length(result) - greatest(1, (octet_length(result) - bytes) / 4));
  END LOOP;
  RETURN result;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.getdate() RETURNS timestamp LANGUAGE sql STABLE
AS $$ SELECT date_trunc('second', now() AT TIME ZONE 'UTC') $$;
CREATE OR REPLACE FUNCTION redshift_local.sysdate() RETURNS timestamp LANGUAGE sql STABLE
AS $$ SELECT now() AT TIME ZONE 'UTC' $$;

CREATE OR REPLACE FUNCTION redshift_local.date_part_name(part text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  RETURN CASE lower(part)
    WHEN 'y' THEN 'year' WHEN 'yr' THEN 'year' WHEN 'yrs' THEN 'year' WHEN 'years' THEN 'year' WHEN 'year' THEN 'year'
    WHEN 'qtr' THEN 'quarter' WHEN 'qtrs' THEN 'quarter' WHEN 'quarter' THEN 'quarter' WHEN 'quarters' THEN 'quarter'
    WHEN 'mon' THEN 'month' WHEN 'mons' THEN 'month' WHEN 'month' THEN 'month' WHEN 'months' THEN 'month'
    WHEN 'w' THEN 'week' WHEN 'week' THEN 'week' WHEN 'weeks' THEN 'week'
    WHEN 'd' THEN 'day' WHEN 'day' THEN 'day' WHEN 'days' THEN 'day'
    WHEN 'h' THEN 'hour' WHEN 'hr' THEN 'hour' WHEN 'hrs' THEN 'hour' WHEN 'hour' THEN 'hour' WHEN 'hours' THEN 'hour'
    WHEN 'm' THEN 'minute' WHEN 'min' THEN 'minute' WHEN 'mins' THEN 'minute' WHEN 'minute' THEN 'minute'
    WHEN 'minutes' THEN 'minute'
    WHEN 's' THEN 'second' WHEN 'sec' THEN 'second' WHEN 'secs' THEN 'second' WHEN 'second' THEN 'second'
    WHEN 'seconds' THEN 'second'
    WHEN 'ms' THEN 'millisecond' WHEN 'msec' THEN 'millisecond' WHEN 'millisecond' THEN 'millisecond'
    WHEN 'milliseconds' THEN 'millisecond'
    WHEN 'us' THEN 'microsecond' WHEN 'usec' THEN 'microsecond' WHEN 'microsecond' THEN 'microsecond'
    WHEN 'microseconds' THEN 'microsecond'
    ELSE part END;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.dateadd(part text, n bigint, value timestamp) RETURNS timestamp
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE unit text := redshift_local.date_part_name(part);
BEGIN
  IF unit = 'quarter' THEN RETURN value + (n * 3) * interval '1 month'; END IF;
  IF unit NOT IN ('year', 'month', 'week', 'day', 'hour', 'minute', 'second', 'millisecond', 'microsecond') THEN
    RAISE EXCEPTION 'timestamp units "%" not recognized', part USING ERRCODE = '22023';
  END IF;
  RETURN value + n * ('1 ' || unit)::interval;
END $$;
CREATE OR REPLACE FUNCTION redshift_local.dateadd(part text, n bigint, value timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT redshift_local.dateadd(part, n, value AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' $$;
CREATE OR REPLACE FUNCTION redshift_local.dateadd(part text, n bigint, value date) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT redshift_local.dateadd(part, n, value::timestamp) $$;

-- Counts the boundaries between two times, not the time between them.
CREATE OR REPLACE FUNCTION redshift_local.datediff(part text, a timestamp, b timestamp) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE unit text := redshift_local.date_part_name(part);
BEGIN
  CASE unit
    WHEN 'year' THEN RETURN date_part('year', b) - date_part('year', a);
    WHEN 'quarter' THEN RETURN (date_part('year', b) - date_part('year', a)) * 4 + date_part('quarter', b) - date_part('quarter', a);
    WHEN 'month' THEN RETURN (date_part('year', b) - date_part('year', a)) * 12 + date_part('month', b) - date_part('month', a);
    -- Weeks start on Sunday here.
    WHEN 'week' THEN RETURN ((b::date - date '2000-01-02') - mod(mod(b::date - date '2000-01-02', 7) + 7, 7)
      - (a::date - date '2000-01-02') + mod(mod(a::date - date '2000-01-02', 7) + 7, 7)) / 7;
    WHEN 'day' THEN RETURN b::date - a::date;
    WHEN 'hour' THEN RETURN extract(epoch FROM date_trunc('hour', b) - date_trunc('hour', a))::bigint / 3600;
    WHEN 'minute' THEN RETURN extract(epoch FROM date_trunc('minute', b) - date_trunc('minute', a))::bigint / 60;
    WHEN 'second' THEN RETURN extract(epoch FROM date_trunc('second', b) - date_trunc('second', a))::bigint;
    WHEN 'millisecond' THEN RETURN extract(epoch FROM date_trunc('milliseconds', b) - date_trunc('milliseconds', a)) * 1000;
    WHEN 'microsecond' THEN RETURN extract(epoch FROM b - a) * 1000000;
    ELSE RAISE EXCEPTION 'timestamp units "%" not recognized', part USING ERRCODE = '22023';
  END CASE;
END $$;
CREATE OR REPLACE FUNCTION redshift_local.datediff(part text, a timestamptz, b timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT redshift_local.datediff(part, a AT TIME ZONE 'UTC', b AT TIME ZONE 'UTC') $$;
CREATE OR REPLACE FUNCTION redshift_local.datediff(part text, a date, b date) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT redshift_local.datediff(part, a::timestamp, b::timestamp) $$;

CREATE OR REPLACE FUNCTION redshift_local.add_months(value timestamp, n int) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE WHEN date_trunc('month', value + interval '1 day') > date_trunc('month', value)
    THEN date_trunc('month', value) + make_interval(months => n + 1) - interval '1 day' + value::time
    ELSE value + make_interval(months => n) END $$;
CREATE OR REPLACE FUNCTION redshift_local.last_day(value timestamp) RETURNS date LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT (date_trunc('month', value) + interval '1 month' - interval '1 day')::date $$;
CREATE OR REPLACE FUNCTION redshift_local.convert_timezone(source text, target text, value timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT (value AT TIME ZONE source) AT TIME ZONE target $$;
CREATE OR REPLACE FUNCTION redshift_local.convert_timezone(target text, value timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT (value AT TIME ZONE 'UTC') AT TIME ZONE target $$;
CREATE OR REPLACE FUNCTION redshift_local.convert_timezone(target text, value timestamptz) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT value AT TIME ZONE target $$;

CREATE OR REPLACE FUNCTION redshift_local.trunc(value timestamp) RETURNS date LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT value::date $$;
CREATE OR REPLACE FUNCTION redshift_local.trunc(value numeric) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT pg_catalog.trunc(value) $$;
CREATE OR REPLACE FUNCTION redshift_local.trunc(value double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.trunc(value) $$;
CREATE OR REPLACE FUNCTION redshift_local.trunc(value numeric, digits int) RETURNS numeric LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT pg_catalog.trunc(value, digits) $$;

CREATE OR REPLACE FUNCTION redshift_local.len(value text) RETURNS int LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT char_length(value) $$;
CREATE OR REPLACE FUNCTION redshift_local.len(value bytea) RETURNS int LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT octet_length(value) $$;
CREATE OR REPLACE FUNCTION redshift_local.charindex(needle text, value text) RETURNS int LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT strpos(value, needle) $$;
CREATE OR REPLACE FUNCTION redshift_local.regexp_replace(value text, pattern text, replacement text DEFAULT '')
RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT pg_catalog.regexp_replace(value, pattern, replacement, 'g') $$;
CREATE OR REPLACE FUNCTION redshift_local.strtol(value text, base int) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE result bigint := 0; digit int; c text; text_digits text := lower(ltrim(value, '-'));
BEGIN
  FOREACH c IN ARRAY string_to_array(text_digits, NULL) LOOP
    digit := strpos('0123456789abcdefghijklmnopqrstuvwxyz', c) - 1;
    IF digit < 0 OR digit >= base THEN
      RAISE EXCEPTION 'The input % is not valid to be converted to base %', value, base USING ERRCODE = '22023';
    END IF;
    result := result * base + digit;
  END LOOP;
  RETURN CASE WHEN value LIKE '-%' THEN -result ELSE result END;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.sha2(value bytea, bits int) RETURNS varchar
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT encode(CASE bits WHEN 0 THEN sha256(value) WHEN 224 THEN sha224(value) WHEN 256 THEN sha256(value)
    WHEN 384 THEN sha384(value) WHEN 512 THEN sha512(value) END, 'hex') $$;
CREATE OR REPLACE FUNCTION redshift_local.sha2(value text, bits int) RETURNS varchar
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT redshift_local.sha2(convert_to(value, 'UTF8'), bits) $$;
CREATE OR REPLACE FUNCTION redshift_local.from_hex(value text) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT decode(value, 'hex') $$;
CREATE OR REPLACE FUNCTION redshift_local.to_hex(value bytea) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT encode(value, 'hex') $$;
CREATE OR REPLACE FUNCTION redshift_local.to_hex(value bigint) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT pg_catalog.to_hex(value) $$;
CREATE OR REPLACE FUNCTION redshift_local.to_varbyte(value text, format text) RETURNS bytea
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE lower(format) WHEN 'hex' THEN decode(value, 'hex') WHEN 'base64' THEN decode(value, 'base64')
    WHEN 'utf8' THEN convert_to(value, 'UTF8') WHEN 'utf-8' THEN convert_to(value, 'UTF8') END $$;
CREATE OR REPLACE FUNCTION redshift_local.from_varbyte(value bytea, format text) RETURNS varchar
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT CASE lower(format) WHEN 'hex' THEN encode(value, 'hex') WHEN 'base64' THEN encode(value, 'base64')
    WHEN 'utf8' THEN convert_from(value, 'UTF8') WHEN 'utf-8' THEN convert_from(value, 'UTF8') END $$;

CREATE OR REPLACE FUNCTION redshift_local.json_parse(value text) RETURNS jsonb LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT value::jsonb $$;
CREATE OR REPLACE FUNCTION redshift_local.json_serialize(value jsonb) RETURNS varchar
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  CASE jsonb_typeof(value)
    WHEN 'object' THEN RETURN '{' || coalesce((SELECT string_agg(to_jsonb(e.key)::text || ':' || redshift_local.json_serialize(e.value), ',' ORDER BY e.ordinality)
      FROM jsonb_each(value) WITH ORDINALITY e), '') || '}';
    WHEN 'array' THEN RETURN '[' || coalesce((SELECT string_agg(redshift_local.json_serialize(e.value), ',' ORDER BY e.ordinality)
      FROM jsonb_array_elements(value) WITH ORDINALITY e), '') || ']';
    ELSE RETURN value::text;
  END CASE;
END $$;
CREATE OR REPLACE FUNCTION redshift_local.json_typeof(value jsonb) RETURNS varchar LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT jsonb_typeof(value) $$;
CREATE OR REPLACE FUNCTION redshift_local.get_array_length(value jsonb) RETURNS int LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT jsonb_array_length(value) $$;
CREATE OR REPLACE FUNCTION redshift_local.json_array_length(value text) RETURNS int LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT jsonb_array_length(value::jsonb) $$;
CREATE OR REPLACE FUNCTION redshift_local.json_extract_path_text(value text, VARIADIC path text[]) RETURNS varchar
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT coalesce(value::jsonb #>> path, '') $$;
CREATE OR REPLACE FUNCTION redshift_local.json_extract_array_element_text(value text, position_at int) RETURNS varchar
LANGUAGE sql IMMUTABLE STRICT AS $$ SELECT coalesce(value::jsonb ->> position_at, '') $$;
CREATE OR REPLACE FUNCTION redshift_local.can_json_parse(value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
  PERFORM value::jsonb;
  RETURN true;
EXCEPTION WHEN data_exception THEN
  RETURN false;
END $$;
CREATE OR REPLACE FUNCTION redshift_local.is_valid_json(value text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN redshift_local.can_json_parse(value) THEN jsonb_typeof(value::jsonb) = 'object' ELSE false END $$;
CREATE OR REPLACE FUNCTION redshift_local.is_valid_json_array(value text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT
AS $$ SELECT CASE WHEN redshift_local.can_json_parse(value) THEN jsonb_typeof(value::jsonb) = 'array' ELSE false END $$;

CREATE OR REPLACE FUNCTION redshift_local.pg_last_copy_count() RETURNS bigint LANGUAGE sql STABLE
AS $$ SELECT coalesce(nullif(current_setting('redshift_local.copy_count', true), ''), '0')::bigint $$;
CREATE OR REPLACE FUNCTION redshift_local.pg_last_copy_id() RETURNS int LANGUAGE sql STABLE
AS $$ SELECT coalesce(nullif(current_setting('redshift_local.copy_id', true), ''), '-1')::int $$;
CREATE OR REPLACE FUNCTION redshift_local.pg_last_query_id() RETURNS int LANGUAGE sql STABLE AS $$ SELECT -1 $$;

-- Views WITH NO SCHEMA BINDING: marked by a comment, dropped while a table below them is altered, and made again. One
-- that cannot be made again is gone, where Redshift would have every query of it fail.
CREATE OR REPLACE FUNCTION redshift_local.create_late_view(name text, ddl text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE ddl;
  EXECUTE format('COMMENT ON VIEW %s IS %L', name, 'WITH NO SCHEMA BINDING');
END $$;
CREATE OR REPLACE FUNCTION redshift_local.alter_below_late_views(name text, ddl text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  views jsonb;
  one jsonb;
  privilege jsonb;
BEGIN
  WITH RECURSIVE above(oid, depth) AS (
    SELECT to_regclass(name)::oid, 0
    UNION
    SELECT r.ev_class, above.depth + 1 FROM above
    JOIN pg_depend d ON d.refobjid = above.oid AND d.refclassid = 'pg_class'::regclass AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid AND r.ev_class <> above.oid
  ), late AS (
    SELECT above.oid, max(depth) AS depth FROM above
    WHERE depth > 0 AND obj_description(above.oid, 'pg_class') = 'WITH NO SCHEMA BINDING' GROUP BY above.oid
  )
  SELECT coalesce(jsonb_agg(jsonb_build_object('name', late.oid::regclass::text, 'query', pg_get_viewdef(late.oid),
      'privileges', (SELECT coalesce(jsonb_agg(jsonb_build_object('what', a.privilege_type, 'who', a.grantee::regrole::text)), '[]')
        FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = late.oid AND a.grantee NOT IN (0, c.relowner)))
    ORDER BY depth DESC), '[]') INTO views FROM late;
  FOR one IN SELECT * FROM jsonb_array_elements(views) LOOP
    EXECUTE format('DROP VIEW %s', one->>'name');
  END LOOP;
  EXECUTE ddl;
  FOR one IN SELECT v FROM jsonb_array_elements(views) WITH ORDINALITY AS e(v, n) ORDER BY n DESC LOOP
    BEGIN
      PERFORM redshift_local.create_late_view(one->>'name', format('CREATE VIEW %s AS %s', one->>'name', one->>'query'));
      FOR privilege IN SELECT * FROM jsonb_array_elements(one->'privileges') LOOP
        EXECUTE format('GRANT %s ON %s TO %s', privilege->>'what', one->>'name', privilege->>'who');
      END LOOP;
    EXCEPTION WHEN undefined_column OR undefined_table THEN
      NULL;
    END;
  END LOOP;
END $$;

-- The declared types: a domain's name is the type, its number the length.
CREATE OR REPLACE VIEW redshift_local.svv_columns AS
SELECT current_database()::varchar AS table_catalog, n.nspname::varchar AS table_schema, c.relname::varchar AS table_name,
  a.attname::varchar AS column_name, row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum)::int AS ordinal_position,
  pg_get_expr(d.adbin, d.adrelid)::varchar AS column_default,
  CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END::varchar AS is_nullable,
  (CASE WHEN t.typnamespace <> 'redshift_local'::regnamespace THEN format_type(a.atttypid, NULL)
    WHEN t.typname = 'super' THEN 'super'
    WHEN t.typname LIKE 'varchar!_%' ESCAPE '!' THEN 'character varying'
    WHEN t.typname LIKE 'char!_%' ESCAPE '!' THEN 'character'
    ELSE 'binary varying' END)::varchar AS data_type,
  CASE WHEN t.typnamespace = 'redshift_local'::regnamespace AND t.typname <> 'super'
    THEN split_part(t.typname, '_', 2)::int
    WHEN a.atttypid IN (1042, 1043) AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS character_maximum_length,
  CASE a.atttypid WHEN 21 THEN 16 WHEN 23 THEN 32 WHEN 20 THEN 64 WHEN 700 THEN 24 WHEN 701 THEN 53
    WHEN 1700 THEN CASE WHEN a.atttypmod >= 4 THEN (a.atttypmod - 4) >> 16 END END AS numeric_precision,
  CASE WHEN a.atttypid IN (20, 21, 23) THEN 0
    WHEN a.atttypid = 1700 AND a.atttypmod >= 4 THEN (a.atttypmod - 4) & 2047 END AS numeric_scale,
  a.attnum AS internal_number, c.oid AS internal_table
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'v', 'm', 'p')
  AND n.nspname NOT IN ('redshift_local', 'pg_catalog', 'information_schema', 'pg_toast')
  AND (pg_has_role(c.relowner, 'USAGE') OR has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, REFERENCES, TRIGGER'));

CREATE OR REPLACE VIEW redshift_local.columns AS
SELECT table_catalog, table_schema, table_name, column_name, ordinal_position, column_default, is_nullable, data_type,
  character_maximum_length, numeric_precision, numeric_scale FROM redshift_local.svv_columns;

CREATE OR REPLACE VIEW redshift_local.svv_all_columns AS
SELECT table_catalog AS database_name, table_schema AS schema_name, table_name, column_name, ordinal_position,
  column_default, is_nullable, data_type, character_maximum_length, numeric_precision, numeric_scale
FROM redshift_local.svv_columns;

CREATE OR REPLACE VIEW redshift_local.svv_tables AS
SELECT current_database()::varchar AS table_catalog, n.nspname::varchar AS table_schema, c.relname::varchar AS table_name,
  CASE WHEN c.relkind = 'v' THEN 'VIEW' WHEN c.relpersistence = 't' THEN 'LOCAL TEMPORARY' ELSE 'BASE TABLE' END::varchar
    AS table_type, obj_description(c.oid, 'pg_class')::varchar AS remarks
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'p')
  AND n.nspname NOT IN ('redshift_local', 'pg_catalog', 'information_schema', 'pg_toast')
  AND (pg_has_role(c.relowner, 'USAGE') OR has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE, REFERENCES, TRIGGER'));

CREATE OR REPLACE VIEW redshift_local.pg_table_def AS
SELECT table_schema AS schemaname, table_name AS tablename, column_name AS "column",
  (data_type || coalesce('(' || character_maximum_length || ')',
    CASE WHEN data_type = 'numeric' THEN '(' || numeric_precision || ',' || numeric_scale || ')' END, ''))::varchar AS type,
  'none'::varchar AS encoding, false AS distkey, 0 AS sortkey, is_nullable = 'NO' AS "notnull"
FROM redshift_local.svv_columns
WHERE table_schema = ANY (current_schemas(false));

-- Written on connections of their own: a load that is rolled back keeps its errors and its line in the history.
CREATE TABLE IF NOT EXISTS redshift_local.load_errors (
  user_id int, query_id bigint, transaction_id bigint, session_id int, database_name varchar, table_id int,
  start_time timestamp, file_name varchar, line_number bigint, column_name varchar, column_type varchar,
  column_length varchar, position int, error_code int, error_message varchar);
CREATE TABLE IF NOT EXISTS redshift_local.load_history (
  user_id int, query_id bigint, transaction_id bigint, session_id int, database_name varchar, status varchar,
  table_name varchar, start_time timestamp, end_time timestamp, duration bigint, data_source varchar,
  loaded_rows bigint, loaded_bytes bigint, source_file_count int, error_count int, file_format varchar);

CREATE OR REPLACE VIEW redshift_local.sys_load_error_detail AS
SELECT user_id, query_id, transaction_id, session_id, database_name, table_id, start_time, file_name, line_number,
  column_name, column_type, column_length, position, error_code, error_message
FROM redshift_local.load_errors;
CREATE OR REPLACE VIEW redshift_local.stl_load_errors AS
SELECT user_id AS userid, 0 AS slice, table_id AS tbl, start_time AS starttime, session_id AS session,
  query_id::int AS query, file_name AS filename, line_number, column_name AS colname, column_type AS type,
  column_length AS col_length, position, ''::varchar AS raw_line, ''::varchar AS raw_field_value,
  error_code AS err_code, error_message AS err_reason
FROM redshift_local.load_errors;
CREATE OR REPLACE VIEW redshift_local.sys_load_history AS
SELECT user_id, query_id, transaction_id, session_id, database_name, status, table_name, start_time, end_time,
  duration, data_source, loaded_rows, loaded_bytes, source_file_count, error_count, file_format
FROM redshift_local.load_history;

GRANT SELECT ON ALL TABLES IN SCHEMA redshift_local TO PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;
-- Own functions stay callable when a later start replaces or adds them.
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA redshift_local TO PUBLIC;
