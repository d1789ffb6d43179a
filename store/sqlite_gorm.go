package store

import (
	"strings"

	"gorm.io/gorm"
	"gorm.io/gorm/callbacks"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
	"gorm.io/gorm/schema"
)

// liteGorm tells gorm how SQLite's SQL is written. gorm's own dialect would do the same, but brings
// a second SQLite along, in C, which takes minutes to compile and is never used.
type liteGorm struct{ conn gorm.ConnPool }

func (liteGorm) Name() string { return "sqlite" }

func (d liteGorm) Initialize(db *gorm.DB) error {
	db.ConnPool = d.conn
	callbacks.RegisterDefaultCallbacks(db, &callbacks.Config{
		CreateClauses:        []string{"INSERT", "VALUES", "ON CONFLICT", "RETURNING"},
		UpdateClauses:        []string{"UPDATE", "SET", "FROM", "WHERE", "RETURNING"},
		DeleteClauses:        []string{"DELETE", "FROM", "WHERE", "RETURNING"},
		LastInsertIDReversed: true,
	})
	// There are no locks of rows: a transaction that writes has the whole file.
	db.ClauseBuilders["FOR"] = func(clause.Clause, clause.Builder) {}
	return nil
}

func (liteGorm) BindVarTo(w clause.Writer, _ *gorm.Statement, _ any) { _ = w.WriteByte('?') }

func (liteGorm) QuoteTo(w clause.Writer, name string) {
	_, _ = w.WriteString(`"` + strings.ReplaceAll(name, ".", `"."`) + `"`) // names are our own, and hold no quotes
}

func (liteGorm) DefaultValueOf(*schema.Field) clause.Expression { return clause.Expr{SQL: "NULL"} }

func (liteGorm) Explain(sql string, vars ...any) string {
	return logger.ExplainSQL(sql, nil, `'`, vars...)
}

// DataTypeOf and Migrator are for gorm's migrations, which are not used.
func (liteGorm) DataTypeOf(*schema.Field) string { return "" }
func (liteGorm) Migrator(*gorm.DB) gorm.Migrator { return nil }
