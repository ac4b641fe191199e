/* A BM25 for `refimpl check --suite bm25 --bm25-variant lucene --command ./bm25` after `cc -O2 -o bm25 bm25.c -lm`:
   replace scores() by yours. The parser reads objects whose values are strings, numbers and lists of strings. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { char **items; int size; } List;

static void append(List *list, char *item) {
    list->items = realloc(list->items, (list->size + 1) * sizeof *list->items);
    if (!list->items) exit(1);
    list->items[list->size++] = item;
}

/* The terms of a text, which it cuts at white space. */
static List terms(char *text) {
    List list = {0};
    for (char *rest, *term = strtok_r(text, " \t\r\n\v\f", &rest); term; term = strtok_r(NULL, " \t\r\n\v\f", &rest))
        append(&list, term);
    return list;
}

static int count(const List *list, const char *term) {
    int found = 0;
    for (int i = 0; i < list->size; i++) found += !strcmp(list->items[i], term);
    return found;
}

/* One row per query with one score per document: Lucene's BM25; empty documents do not count. */
static void scores(const List *docs, int n_docs, List query, double k1, double b, double *row) {
    double size = 0, tokens = 0;
    for (int i = 0; i < n_docs; i++) size += docs[i].size > 0, tokens += docs[i].size;
    for (int i = 0; i < n_docs; i++) row[i] = 0;
    for (int t = 0; t < query.size; t++) {
        int n = 0;
        for (int i = 0; i < n_docs; i++) n += count(&docs[i], query.items[t]) > 0;
        double idf = log(1 + (size - n + 0.5) / (n + 0.5));
        for (int i = 0; i < n_docs; i++) {
            double f = count(&docs[i], query.items[t]);
            if (f > 0) row[i] += idf * f / (f + k1 * (1 - b + b * docs[i].size * size / tokens));
        }
    }
}

static char *space(char *at) { return at + strspn(at, " ,:\t"); }

static char *utf8(char *out, unsigned code) {
    if (code < 0x80) return *out = code, out + 1;
    if (code < 0x800) return out[0] = 0xc0 | code >> 6, out[1] = 0x80 | (code & 63), out + 2;
    return out[0] = 0xe0 | code >> 12, out[1] = 0x80 | (code >> 6 & 63), out[2] = 0x80 | (code & 63), out + 3;
}

/* The string at *at, unescaped in place; *at is then behind it. Escaped surrogates are not joined: write UTF-8. */
static char *text(char **at) {
    char *in = *at + 1, *start = in, *out = in;
    for (; *in != '"'; in++) {
        const char *control;
        unsigned code;
        if (*in != '\\') { *out++ = *in; continue; }
        if (*++in == 'u' && sscanf(in + 1, "%4x", &code) == 1) { out = utf8(out, code); in += 4; }
        else *out++ = (control = strchr("n\nr\rt\tb\bf\f", *in)) ? control[1] : *in;
    }
    *at = in + 1;
    *out = 0;
    return start;
}

static List strings(char **at) {
    List list = {0};
    for (*at = space(*at + 1); **at != ']'; *at = space(*at)) append(&list, text(at));
    ++*at;
    return list;
}

int main(void) {
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        List corpus = {0}, queries = {0};
        double k1 = 0, b = 0;
        for (char *at = space(strchr(line, '{') + 1); *at != '}'; at = space(at)) {
            char *key = text(&at);
            at = space(at);
            if (*at == '[') *(strcmp(key, "corpus") ? &queries : &corpus) = strings(&at);
            else if (*at == '"') text(&at);
            else *(strcmp(key, "k1") ? &b : &k1) = strtod(at, &at);
        }
        List *docs = calloc(corpus.size + 1, sizeof *docs);
        double *row = calloc(corpus.size + 1, sizeof *row);
        for (int i = 0; i < corpus.size; i++) docs[i] = terms(corpus.items[i]);
        for (int q = 0; q < queries.size; q++) {
            scores(docs, corpus.size, terms(queries.items[q]), k1, b, row);
            printf(q ? ", [" : "[[");
            for (int i = 0; i < corpus.size; i++) printf(i ? ", %.17g" : "%.17g", row[i]);
            printf("]");
        }
        puts(queries.size ? "]" : "[]");
    } /* memory is freed at the end of the process */
    return 0;
}
