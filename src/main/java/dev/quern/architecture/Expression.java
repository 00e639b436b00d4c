package dev.quern.architecture;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The small language in which a page says sizes, values and conditions: numbers, texts in single quotes, names of
 * hyperparameters, {@code + - * /}, comparisons, {@code && || !}, {@code name[index]}, {@code a ? b : c} and the
 * functions {@code floor ceil sqrt log min max present}. What a model does not have is missing, and so is {@code none}; arithmetic with a
 * missing value is missing, a comparison with it does not hold.
 */
final class Expression {
    private static final Pattern TOKENS =
            Pattern.compile("\\s*(?:(?<number>\\d+(?:\\.\\d+)?(?:e-?\\d+)?)|(?<name>[A-Za-z_]\\w*)|'(?<text>[^']*)'"
                    + "|(?<sign>==|!=|<=|>=|&&|\\|\\||[-+*/<>!()\\[\\],?:]))");

    private static final Set<String> FUNCTIONS = Set.of("floor", "ceil", "sqrt", "log", "min", "max", "present");

    /** What names mean: a Double, a String, a List of these, or null for what is missing. */
    interface Scope {
        @Nullable
        Object value(String name);
    }

    private interface Node {
        @Nullable
        Object value(Scope scope);
    }

    private interface Operator {
        double apply(double left, double right);
    }

    private enum Kind {
        NUMBER,
        NAME,
        TEXT,
        SIGN,
        END
    }

    private record Token(Kind kind, String text) {}

    private final String source;
    private final List<Token> tokens;
    private final Set<String> names = new LinkedHashSet<>();
    private final Node root;
    private int next;

    /** @throws IllegalArgumentException when the text is no expression */
    Expression(String source) {
        this.source = source;
        this.tokens = tokens(source);
        this.root = choice();
        if (peek().kind() != Kind.END) {
            throw unexpected();
        }
    }

    /** The hyperparameters it speaks of, in the order they come up. */
    Set<String> names() {
        return names;
    }

    /** @return a Double, a String, a List or null */
    @Nullable
    Object value(Scope scope) {
        return root.value(scope);
    }

    boolean holds(Scope scope) {
        return truth(value(scope));
    }

    private static List<Token> tokens(String source) {
        List<Token> tokens = new ArrayList<>();
        Matcher matcher = TOKENS.matcher(source);
        int at = 0;
        while (!source.substring(at).isBlank()) {
            matcher.region(at, source.length());
            if (!matcher.lookingAt()) {
                throw new IllegalArgumentException("\"" + source + "\" is no expression: what is "
                        + source.substring(at).strip() + "?");
            }
            at = matcher.end();
            if (matcher.group("number") != null) {
                tokens.add(new Token(Kind.NUMBER, matcher.group("number")));
            } else if (matcher.group("name") != null) {
                tokens.add(new Token(Kind.NAME, matcher.group("name")));
            } else if (matcher.group("text") != null) {
                tokens.add(new Token(Kind.TEXT, matcher.group("text")));
            } else {
                tokens.add(new Token(Kind.SIGN, matcher.group("sign")));
            }
        }
        tokens.add(new Token(Kind.END, "the end"));
        return tokens;
    }

    private Token peek() {
        return tokens.get(next);
    }

    private boolean takes(String sign) {
        boolean taken = peek().kind() == Kind.SIGN && peek().text().equals(sign);
        if (taken) {
            next++;
        }
        return taken;
    }

    private void require(String sign) {
        if (!takes(sign)) {
            throw unexpected();
        }
    }

    private IllegalArgumentException unexpected() {
        return new IllegalArgumentException(
                "\"" + source + "\" is no expression: " + peek().text() + " is not expected there");
    }

    private Node choice() {
        Node condition = or();
        if (!takes("?")) {
            return condition;
        }
        Node yes = choice();
        require(":");
        Node no = choice();
        return scope -> truth(condition.value(scope)) ? yes.value(scope) : no.value(scope);
    }

    private Node or() {
        Node left = and();
        while (takes("||")) {
            Node first = left;
            Node second = and();
            left = scope -> number(truth(first.value(scope)) || truth(second.value(scope)));
        }
        return left;
    }

    private Node and() {
        Node left = comparison();
        while (takes("&&")) {
            Node first = left;
            Node second = comparison();
            left = scope -> number(truth(first.value(scope)) && truth(second.value(scope)));
        }
        return left;
    }

    private Node comparison() {
        Node left = sum();
        for (String sign : List.of("==", "!=", "<=", ">=", "<", ">")) {
            if (takes(sign)) {
                Node right = sum();
                return scope -> number(compare(sign, left.value(scope), right.value(scope)));
            }
        }
        return left;
    }

    private static boolean compare(String sign, @Nullable Object left, @Nullable Object right) {
        if (sign.equals("==")) {
            return left != null && left.equals(right);
        }
        if (sign.equals("!=")) {
            return left == null || !left.equals(right);
        }
        if (!(left instanceof Double a) || !(right instanceof Double b)) {
            return false;
        }
        return switch (sign) {
            case "<=" -> a <= b;
            case ">=" -> a >= b;
            case "<" -> a < b;
            default -> a > b;
        };
    }

    private Node sum() {
        Node left = product();
        while (true) {
            if (takes("+")) {
                left = arithmetic(left, product(), (a, b) -> a + b);
            } else if (takes("-")) {
                left = arithmetic(left, product(), (a, b) -> a - b);
            } else {
                return left;
            }
        }
    }

    private Node product() {
        Node left = factor();
        while (true) {
            if (takes("*")) {
                left = arithmetic(left, factor(), (a, b) -> a * b);
            } else if (takes("/")) {
                left = arithmetic(left, factor(), (a, b) -> a / b);
            } else {
                return left;
            }
        }
    }

    private static Node arithmetic(Node left, Node right, Operator operator) {
        return scope -> left.value(scope) instanceof Double a && right.value(scope) instanceof Double b
                ? (Object) operator.apply(a, b)
                : null;
    }

    private Node factor() {
        if (takes("!")) {
            Node operand = factor();
            return scope -> number(!truth(operand.value(scope)));
        }
        if (takes("-")) {
            return arithmetic(_ -> 0.0, factor(), (a, b) -> a - b);
        }
        if (takes("(")) {
            Node inner = choice();
            require(")");
            return inner;
        }
        Token token = peek();
        next++;
        return switch (token.kind()) {
            case NUMBER -> {
                Double value = Double.valueOf(token.text());
                yield scope -> value;
            }
            case TEXT -> scope -> token.text();
            case NAME -> named(token.text());
            case SIGN, END -> {
                next--;
                throw unexpected();
            }
        };
    }

    private Node named(String name) {
        if (name.equals("true") || name.equals("false")) {
            return scope -> number(name.equals("true"));
        }
        if (name.equals("none")) {
            return scope -> null;
        }
        if (FUNCTIONS.contains(name) && takes("(")) {
            return function(name);
        }
        names.add(name);
        if (!takes("[")) {
            return scope -> scope.value(name);
        }
        Node index = choice();
        require("]");
        return scope -> scope.value(name) instanceof List<?> list
                        && index.value(scope) instanceof Double at
                        && at >= 0
                        && at < list.size()
                ? list.get(at.intValue())
                : null;
    }

    private Node function(String name) {
        Node first = choice();
        if (name.equals("min") || name.equals("max")) {
            require(",");
            Node second = choice();
            require(")");
            return arithmetic(first, second, name.equals("min") ? Math::min : Math::max);
        }
        require(")");
        if (name.equals("present")) {
            return scope -> number(first.value(scope) != null);
        }
        return arithmetic(
                first,
                _ -> 0.0,
                switch (name) {
                    case "floor" -> (a, _) -> Math.floor(a);
                    case "ceil" -> (a, _) -> Math.ceil(a);
                    case "sqrt" -> (a, _) -> Math.sqrt(a);
                    default -> (a, _) -> Math.log(a);
                });
    }

    private static Double number(boolean truth) {
        return truth ? 1.0 : 0.0;
    }

    private static boolean truth(@Nullable Object value) {
        return value != null && !value.equals(0.0);
    }

    @Override
    public String toString() {
        return source;
    }
}
