:- module(source,
          [ source_terms/4,             % +Text, +Module, -Terms, -Problems
            blanked/3                   % +Text, +Spans, -Blanked
          ]).

/** <module> Rules as text: read term by term, with the place of each

The text is only read here, not loaded: what it says is looked at before any of it is run.
*/

:- use_module(library(apply)).
:- use_module(library(lists)).
:- use_module(library(yall)).
:- use_module(goals).
:- use_module(problems).

%!  source_terms(+Text, +Module, -Terms, -Problems) is det.
%
%   Terms are what Text says, a list of term(Term, Line, Column, span(Start, End)), the span in characters. Operators are those of
%   Module, where those that the text declares are made. Problems are problem(Severity, Line, Column, Words) for what cannot be read,
%   after which reading goes on, and for variables that stand alone.

source_terms(Text, Module, Terms, Problems) :-
    setup_call_cleanup(
        open_string(Text, Stream),
        read_all(Stream, Text, Module, default, Found),
        close(Stream)),
    partition([problem(_, _, _, _)]>>true, Found, Problems, Terms).

read_all(Stream, Text, Module, Quotes0, Found) :-
    character_count(Stream, Before),
    catch(read_one(Stream, Module, Quotes0, Term, Position, Singletons), error(syntax_error(What), stream(_, _, _, Offset)), true),
    character_count(Stream, After),
    (   nonvar(What)
    ->  words(syntax_error(What), Words),
        place(Text, Offset, Line, Column),
        Found = [problem(error, Line, Column, Words)|Others],
        (   After > Before, \+ at_end_of_stream(Stream)
        ->  read_all(Stream, Text, Module, Quotes0, Others)
        ;   Others = []
        )
    ;   Term == end_of_file
    ->  Found = []
    ;   stream_position_data(line_count, Position, Line),
        stream_position_data(line_position, Position, LinePosition),
        stream_position_data(char_count, Position, Start),
        Column is LinePosition + 1,
        foldl(singleton(Line, Column), Singletons, Others, Lonely),
        Found = [term(Term, Line, Column, span(Start, After))|Lonely],
        takes_effect(Term, Module, Quotes0, Quotes),
        read_all(Stream, Text, Module, Quotes, Others)
    ).

read_one(Stream, Module, Quotes, Term, Position, Singletons) :-
    (   Quotes == default
    ->  Options = []
    ;   Options = [double_quotes(Quotes)]
    ),
    read_term(Stream, Term,
              [ term_position(Position), singletons(Singletons), syntax_errors(error), module(Module) | Options ]).

singleton(Line, Column, Name=_, Others, [problem(warning, Line, Column, Words)|Others]) :-
    format(string(Words), "variable ~w stands alone in its clause; a name that starts with _ says that this is meant", [Name]).

%   What a directive changes in how the rest is read.

takes_effect((:- op(Priority, Type, Names)), Module, Quotes, Quotes) :-
    catch(op(Priority, Type, Module:Names), _, true),
    !.
takes_effect((:- set_prolog_flag(double_quotes, Value)), _, _, Value) :-
    atom(Value),
    !.
takes_effect(_, _, Quotes, Quotes).

%!  blanked(+Text, +Spans, -Blanked) is det.
%
%   Blanked is Text with spaces for what stands in Spans, line ends kept: all else stays in its place.

blanked(Text, Spans, Blanked) :-
    string_codes(Text, Codes),
    blank_codes(Spans, 0, Codes, Kept),
    string_codes(Blanked, Kept).

blank_codes([], _, Codes, Codes).
blank_codes([span(Start, End)|Spans], At, Codes, Kept) :-
    Before is Start - At,
    Length is End - Start,
    split(Before, Codes, Kept, Spaces, Rest),
    length(Taken, Length),
    append(Taken, After, Rest),
    !,
    maplist([Code, Blank]>>( Code == 0'\n -> Blank = Code ; Blank = 0'\s ), Taken, Blanks),
    append(Blanks, Others, Spaces),
    blank_codes(Spans, End, After, Others).

%   The first Count elements of Codes are those of Kept, up to Tail.

split(0, Codes, Tail, Tail, Codes) :- !.
split(Count, [Code|Codes], [Code|Kept], Tail, Rest) :-
    Less is Count - 1,
    split(Less, Codes, Kept, Tail, Rest).
