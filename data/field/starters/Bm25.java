// A BM25 for `refimpl check --suite bm25 --bm25-variant lucene --command 'java Bm25'` after `javac Bm25.java`: replace
// scores by yours. The parser reads objects whose values are strings, numbers and lists of strings; use a JSON library
// for more.
import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;

public class Bm25 {
    /** One row per query with one score per document: Lucene's BM25; empty documents do not count. */
    static double[][] scores(List<String> corpus, List<String> queries, double k1, double b) {
        List<Map<String, Integer>> docs = new ArrayList<>();
        double[] lengths = new double[corpus.size()];
        double size = 0, tokens = 0;
        for (int i = 0; i < lengths.length; i++) {
            Map<String, Integer> counts = new HashMap<>();
            for (String term : terms(corpus.get(i))) counts.merge(term, 1, Integer::sum);
            docs.add(counts);
            lengths[i] = terms(corpus.get(i)).length;
            size += lengths[i] > 0 ? 1 : 0;
            tokens += lengths[i];
        }
        double[][] rows = new double[queries.size()][lengths.length];
        for (int q = 0; q < rows.length; q++) {
            for (String term : terms(queries.get(q))) {
                long n = docs.stream().filter(doc -> doc.containsKey(term)).count();
                double idf = Math.log(1 + (size - n + 0.5) / (n + 0.5));
                for (int i = 0; i < lengths.length; i++) {
                    double f = docs.get(i).getOrDefault(term, 0);
                    if (f > 0) rows[q][i] += idf * f / (f + k1 * (1 - b + b * lengths[i] * size / tokens));
                }
            }
        }
        return rows;
    }

    static String[] terms(String text) {
        return text.isBlank() ? new String[0] : text.strip().split("\\s+");
    }

    private final String line;
    private int at = 1;

    private Bm25(String line) {
        this.line = line;
    }

    private char peek() {
        while (" ,:\t".indexOf(line.charAt(at)) >= 0) at++;
        return line.charAt(at);
    }

    private String text() {
        StringBuilder text = new StringBuilder();
        for (at++; line.charAt(at) != '"'; at++) {
            char c = line.charAt(at);
            if (c != '\\') {
                text.append(c);
                continue;
            }
            c = line.charAt(++at);
            int control = "nrtbf".indexOf(c);
            if (c == 'u') {
                text.append((char) Integer.parseInt(line.substring(at + 1, at + 5), 16));
                at += 4;
            } else {
                text.append(control < 0 ? c : "\n\r\t\b\f".charAt(control));
            }
        }
        at++;
        return text.toString();
    }

    private Object value() {
        if (peek() == '"') return text();
        if (peek() != '[') {
            int start = at;
            while (",} ".indexOf(line.charAt(at)) < 0) at++;
            return Double.valueOf(line.substring(start, at));
        }
        List<String> list = new ArrayList<>();
        for (at++; peek() != ']'; ) list.add(text());
        at++;
        return list;
    }

    @SuppressWarnings("unchecked")
    public static void main(String[] arguments) throws IOException {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), false, "UTF-8");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            Bm25 parser = new Bm25(line);
            Map<String, Object> one = new HashMap<>();
            while (parser.peek() != '}') one.put(parser.text(), parser.value());
            List<String> corpus = (List<String>) one.get("corpus"), queries = (List<String>) one.get("queries");
            out.println(Arrays.deepToString(scores(corpus, queries, (Double) one.get("k1"), (Double) one.get("b"))));
        }
        out.flush();
    }
}
