// A BM25 for `refimpl check --suite bm25 --bm25-variant lucene --command ./bm25` after `go build bm25.go`: replace
// scores by yours.
package main

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"strings"
)

type input struct {
	Corpus, Queries []string
	K1, B           float64
}

// One row per query with one score per document: Lucene's BM25; empty documents do not count.
func scores(corpus, queries []string, k1, b float64) [][]float64 {
	counts, lengths := make([]map[string]float64, len(corpus)), make([]float64, len(corpus))
	df, size, tokens := map[string]float64{}, 0.0, 0.0
	for i, text := range corpus {
		counts[i] = map[string]float64{}
		for _, term := range strings.Fields(text) {
			if counts[i][term] == 0 {
				df[term]++
			}
			counts[i][term]++
			lengths[i]++
		}
		if lengths[i] > 0 {
			size++
		}
		tokens += lengths[i]
	}
	rows := make([][]float64, len(queries))
	for q, query := range queries {
		rows[q] = make([]float64, len(corpus))
		for _, term := range strings.Fields(query) {
			idf := math.Log(1 + (size-df[term]+0.5)/(df[term]+0.5))
			for i := range corpus {
				if f := counts[i][term]; f > 0 {
					rows[q][i] += idf * f / (f + k1*(1-b+b*lengths[i]*size/tokens))
				}
			}
		}
	}
	return rows
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<28)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var one input
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			panic(err)
		}
		if err := answers.Encode(scores(one.Corpus, one.Queries, one.K1, one.B)); err != nil {
			panic(err)
		}
	}
}
