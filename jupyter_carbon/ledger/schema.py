"""The tables of the ledger, as numbered migrations: one is never changed once it was released, the next is added.

Texts that repeat (sessions, notebooks, labels, flags), intensities and domains stand once and are named by number;
an interval is three columns, so that plain SQL can add and compare.  `cell_run` is the view for people and for DuckDB.
"""

from __future__ import annotations

from dataclasses import fields

from jupyter_carbon.model import Footprint

APPLICATION_ID = 0x4A434C47
"""Marks the file as ours: "JCLG" in ASCII (https://sqlite.org/pragma.html#pragma_application_id)."""

INTERVALS = (*(field.name for field in fields(Footprint)), "pue")
"""The interval columns of `run`, each with its `_low` and `_high` beside it."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)",
        """
        CREATE TABLE intensity (
            id INTEGER PRIMARY KEY, gco2e_per_kwh_low REAL, gco2e_per_kwh REAL, gco2e_per_kwh_high REAL,
            region TEXT NOT NULL, name TEXT NOT NULL, basis TEXT NOT NULL, method TEXT NOT NULL, status TEXT NOT NULL,
            source TEXT NOT NULL, year INTEGER, start TEXT, "end" TEXT)
        """,
        "CREATE INDEX intensity_by_region ON intensity (region, start)",
        """
        CREATE TABLE domain (
            id INTEGER PRIMARY KEY, component TEXT NOT NULL, device TEXT NOT NULL, source TEXT NOT NULL,
            quality TEXT NOT NULL, UNIQUE (device, component, source, quality))
        """,
        """
        CREATE TABLE run (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, session INTEGER NOT NULL REFERENCES word,
            cell INTEGER REFERENCES word, notebook INTEGER REFERENCES word, label INTEGER REFERENCES word,
            execution_count INTEGER, started_at REAL NOT NULL, source_sha1 TEXT,
            duration_s REAL NOT NULL, status TEXT NOT NULL, flags INTEGER NOT NULL REFERENCES word,
            intensity INTEGER NOT NULL REFERENCES intensity,
            energy_j_low REAL, energy_j REAL, energy_j_high REAL,
            idle_energy_j_low REAL, idle_energy_j REAL, idle_energy_j_high REAL,
            machine_energy_j_low REAL, machine_energy_j REAL, machine_energy_j_high REAL,
            wall_energy_j_low REAL, wall_energy_j REAL, wall_energy_j_high REAL,
            facility_energy_kwh_low REAL, facility_energy_kwh REAL, facility_energy_kwh_high REAL,
            operational_gco2e_low REAL, operational_gco2e REAL, operational_gco2e_high REAL,
            embodied_gco2e_low REAL, embodied_gco2e REAL, embodied_gco2e_high REAL,
            water_l_low REAL, water_l REAL, water_l_high REAL,
            pue_low REAL, pue REAL, pue_high REAL)
        """,
        "CREATE INDEX run_by_time ON run (started_at)",
        """
        CREATE TABLE share (
            run INTEGER NOT NULL REFERENCES run, position INTEGER NOT NULL, domain INTEGER NOT NULL REFERENCES domain,
            energy_j_low REAL, energy_j REAL, energy_j_high REAL,
            idle_energy_j_low REAL, idle_energy_j REAL, idle_energy_j_high REAL,
            machine_energy_j_low REAL, machine_energy_j REAL, machine_energy_j_high REAL,
            resolution_j REAL NOT NULL, PRIMARY KEY (run, position)) WITHOUT ROWID
        """,
        """
        CREATE VIEW cell_run AS
        SELECT run.id, session.text AS session_id, cell.text AS cell_id, notebook.text AS notebook, label.text AS label,
            run.execution_count, datetime(run.started_at, 'unixepoch') AS started_at_utc, run.duration_s, run.status,
            run.energy_j, run.energy_j_low, run.energy_j_high, run.machine_energy_j, run.facility_energy_kwh,
            run.operational_gco2e, run.operational_gco2e_low, run.operational_gco2e_high, run.embodied_gco2e,
            run.water_l, run.pue, intensity.gco2e_per_kwh, intensity.region, intensity.basis, intensity.method,
            intensity.status AS intensity_status, flags.text AS flags
        FROM run JOIN word AS session ON session.id = run.session LEFT JOIN word AS cell ON cell.id = run.cell
            LEFT JOIN word AS notebook ON notebook.id = run.notebook LEFT JOIN word AS label ON label.id = run.label
            JOIN word AS flags ON flags.id = run.flags JOIN intensity ON intensity.id = run.intensity
        """,
    ),
    # The hour of a run: its yearly figure, what it was first told with, how its energy grew (JSON, NULL: evenly).
    (
        "ALTER TABLE run ADD COLUMN yearly INTEGER REFERENCES intensity",
        "ALTER TABLE run ADD COLUMN first INTEGER REFERENCES intensity",
        "ALTER TABLE run ADD COLUMN course TEXT",
        "DROP VIEW cell_run",
        """
        CREATE VIEW cell_run AS
        SELECT run.id, session.text AS session_id, cell.text AS cell_id, notebook.text AS notebook, label.text AS label,
            run.execution_count, datetime(run.started_at, 'unixepoch') AS started_at_utc, run.duration_s, run.status,
            run.energy_j, run.energy_j_low, run.energy_j_high, run.machine_energy_j, run.facility_energy_kwh,
            run.operational_gco2e, run.operational_gco2e_low, run.operational_gco2e_high,
            run.facility_energy_kwh * yearly.gco2e_per_kwh AS yearly_gco2e,
            run.facility_energy_kwh * first.gco2e_per_kwh AS first_gco2e,
            run.embodied_gco2e, run.water_l, run.pue, intensity.gco2e_per_kwh, intensity.region, intensity.basis,
            intensity.method, intensity.status AS intensity_status, flags.text AS flags
        FROM run JOIN word AS session ON session.id = run.session LEFT JOIN word AS cell ON cell.id = run.cell
            LEFT JOIN word AS notebook ON notebook.id = run.notebook LEFT JOIN word AS label ON label.id = run.label
            JOIN word AS flags ON flags.id = run.flags JOIN intensity ON intensity.id = run.intensity
            LEFT JOIN intensity AS yearly ON yearly.id = run.yearly
            LEFT JOIN intensity AS first ON first.id = run.first
        """,
    ),
    # The runs of one cell, for what the next should cost; and what was expected beside what was metered.
    (
        "CREATE INDEX run_by_source ON run (source_sha1, started_at)",
        """
        CREATE TABLE plan (
            number INTEGER PRIMARY KEY, key TEXT NOT NULL, made_at REAL NOT NULL, hours REAL NOT NULL,
            energy_kwh_low REAL NOT NULL, energy_kwh REAL NOT NULL, energy_kwh_high REAL NOT NULL,
            operational_kgco2e_low REAL NOT NULL, operational_kgco2e REAL NOT NULL,
            operational_kgco2e_high REAL NOT NULL, actual_kwh REAL)
        """,
        "CREATE INDEX plan_by_key ON plan (key, made_at)",
    ),
)
